#!/bin/sh
# Double-click me on a Mac: finds Python, makes .venv, installs what is missing, starts, opens the browser.
cd "$(dirname "$0")" || exit 1

for name in python3 python3.14 python3.13 python3.12 python3.11; do
  if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$name
    break
  fi
done
if [ -z "$python" ]; then
  echo "没有找到 Python 3.11 或更高版本。请从 https://www.python.org/downloads/ 安装，再双击一次。"
  exit 1
fi
if [ ! -x .venv/bin/python ] && ! "$python" -m venv .venv; then
  echo "没能在这个文件夹里建立 .venv，请把程序放到一个可以写入的文件夹，再双击一次。"
  exit 1
fi
if ! cmp -s requirements.txt .venv/requirements.txt; then
  if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt; then
    echo "没能装好需要的程序包，请检查网络，再双击一次。"
    exit 1
  fi
  cp requirements.txt .venv/requirements.txt
fi
exec .venv/bin/python web_app.py --open
