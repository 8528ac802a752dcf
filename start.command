#!/bin/sh
# Double-click on a Mac: finds Python, creates .venv, installs what is missing, starts the server, opens the browser.
cd "$(dirname "$0")" || exit 1

# Versioned names are tried first: a bare python3 may be the stub of macOS that only offers the developer tools.
find_python() {
  for name in python3.14 python3.13 python3.12 python3.11 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      python=$name
      return 0
    fi
  done
  return 1
}

# A Mac has no Python of its own: Homebrew installs one if it is there and the answer is yes.
install_python() {
  for brew in brew /opt/homebrew/bin/brew /usr/local/bin/brew; do
    if folder=$("$brew" --prefix 2>/dev/null); then
      PATH=$folder/bin:$PATH
      find_python && return
      echo "没有找到 Python 3.11 或更高版本。现在用 Homebrew 安装 Python 3.13 吗？装好后接着启动。（Y 安装，N 不装）"
      read -r answer
      case $answer in
        [Yy]*) "$brew" install python@3.13 && find_python && return ;;
      esac
      return 1
    fi
  done
  return 1
}

# A .venv whose Python is missing, moved or too old is recreated.
if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
  if ! find_python && ! install_python; then
    echo "没有找到 Python 3.11 或更高版本（旧版本不算）。请从 https://www.python.org/downloads/ 安装，再双击一次。"
    exit 1
  fi
  if ! "$python" -m venv --clear .venv; then
    echo "没能在这个文件夹里建立 .venv。请把文件夹放到一个可以写入的地方，再双击一次。"
    exit 1
  fi
fi
if ! cmp -s requirements.txt .venv/requirements.txt; then
  if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt; then
    echo "没能装好需要的程序包，请检查网络，再双击一次。"
    exit 1
  fi
  cp requirements.txt .venv/requirements.txt
fi
exec .venv/bin/python web_app.py --open
