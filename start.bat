@echo off
rem Double-click me: finds Python, makes .venv, installs what is missing, starts, opens the browser.
rem What people read is Chinese and stands at the end, after everything cmd has to find its way in.
setlocal
chcp 65001 >nul
cd /d "%~dp0"

set "PYTHON="
set "IS_NEW_ENOUGH=import sys; sys.exit(sys.version_info < (3, 11))"
py -3 -c "%IS_NEW_ENOUGH%" >nul 2>nul
if not errorlevel 1 set "PYTHON=py -3"
if defined PYTHON goto python_found
python -c "%IS_NEW_ENOUGH%" >nul 2>nul
if not errorlevel 1 set "PYTHON=python"
if not defined PYTHON goto no_python

:python_found
if not exist ".venv\Scripts\python.exe" %PYTHON% -m venv .venv
if not exist ".venv\Scripts\python.exe" goto no_venv
fc /b requirements.txt .venv\requirements.txt >nul 2>nul
if not errorlevel 1 goto run
echo pip install -r requirements.txt ...
".venv\Scripts\python.exe" -m pip install --quiet --disable-pip-version-check -r requirements.txt
if errorlevel 1 goto no_install
copy /y requirements.txt .venv\requirements.txt >nul

:run
".venv\Scripts\python.exe" web_app.py --open
if errorlevel 1 goto stopped
exit /b 0

:no_python
echo 没有找到 Python 3.11 或更高版本。请从 https://www.python.org/downloads/ 安装（勾选 Add python.exe to PATH），再双击一次。
goto wait
:no_venv
echo 没能在这个文件夹里建立 .venv，请把程序放到一个可以写入的文件夹，再双击一次。
goto wait
:no_install
echo 没能装好需要的程序包，请检查网络，再双击一次。
goto wait
:stopped
echo 程序没有正常运行，原因在上面最后一行。
:wait
pause
exit /b 1
