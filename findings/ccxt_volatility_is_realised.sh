#!/usr/bin/env bash
# Believed: ccxt's fetch_volatility_history, on Deribit, is the exchange's volatility index DVOL.
# True: it asks for public/get_historical_volatility, the volatility that the price has realised.
#   DVOL, which options imply, is public/get_volatility_index_data; no unified method asks for
#   it. Here nothing is sent: the request is noted, and answered by one row.
# Versions: ccxt 4.5.90; Python 3.11, Linux. Seen 2026-11-29.
# Instead: call publicGetGetVolatilityIndexData (currency, resolution, start_timestamp,
#   end_timestamp) and read its rows: time of the bar's open, open, high, low, close.
# Prints what it saw; ends with 0 where that is the behaviour above, with 1 where it is not.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check \
  ccxt==4.5.90

cat > check.py <<'PY'
"""What fetch_volatility_history asks of Deribit, with the request noted and not sent."""
import sys

import ccxt

asked = []


def answer(url, *_, **__):
    asked.append(url)
    return {"result": [[1700000000000, 55.1]]}


exchange = ccxt.deribit()
exchange.fetch = answer
exchange.load_markets = lambda *_, **__: None
exchange.currencies = {"BTC": {"id": "BTC", "code": "BTC"}}
rows = exchange.fetch_volatility_history("BTC")
print("ccxt", ccxt.__version__, asked, rows)
raw = hasattr(exchange, "publicGetGetVolatilityIndexData")
sys.exit(not (len(asked) == 1 and "get_historical_volatility" in asked[0] and raw))
PY
venv/bin/python check.py
