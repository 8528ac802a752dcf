@echo off
rem Double-click: finds Python, creates .venv, installs what is missing, starts the server, opens the browser.
rem The Chinese messages are at the end, each with its jump in the same line: cmd loses its position in a file
rem after non-ASCII text.
setlocal
set "ASKED="
chcp 65001 >nul
pushd "%~dp0"
if not exist "web_app.py" goto not_unpacked

rem A .venv whose Python is missing, moved or too old is recreated.
if not exist ".venv\Scripts\python.exe" goto find_python
".venv\Scripts\python.exe" -c "import sys, pip; sys.exit(sys.version_info < (3, 11))" >nul 2>nul
if %errorlevel% equ 0 goto venv_found

:find_python
set "PYTHON="
set "IS_NEW_ENOUGH=import sys; sys.exit(sys.version_info < (3, 11))"
py -3 -c "%IS_NEW_ENOUGH%" >nul 2>nul
if %errorlevel% equ 0 set "PYTHON=py -3"
if defined PYTHON goto python_found
python -c "%IS_NEW_ENOUGH%" >nul 2>nul
if %errorlevel% equ 0 set "PYTHON=python"
if defined PYTHON goto python_found

rem Once, if winget is there and the answer is yes: for this user only, so that no password is needed. PATH is
rem that of before the installation.
if defined ASKED goto no_python
where winget >nul 2>nul
if %errorlevel% neq 0 goto no_python
set "ASKED=1"
goto ask_python
:answered
if %errorlevel% neq 1 goto no_python
winget install --exact --id Python.Python.3.13 --source winget --scope user --accept-package-agreements --accept-source-agreements
set "PROGRAMS=%LOCALAPPDATA%\Programs\Python"
set "PATH=%PROGRAMS%\Launcher;%PROGRAMS%\Python313;%PROGRAMS%\Python313-arm64;%PATH%"
goto find_python

:python_found
%PYTHON% -m venv --clear .venv
if %errorlevel% neq 0 goto no_venv

:venv_found
fc /b requirements.txt .venv\requirements.txt >nul 2>nul
if %errorlevel% equ 0 goto run
echo pip install -r requirements.txt ...
".venv\Scripts\python.exe" -m pip install --quiet --disable-pip-version-check -r requirements.txt
if %errorlevel% neq 0 goto no_install
copy /y requirements.txt .venv\requirements.txt >nul

:run
".venv\Scripts\python.exe" web_app.py --open
if %errorlevel% neq 0 goto stopped
popd
exit /b 0

:not_unpacked
echo 旁边没有找到 web_app.py。请先把压缩包全部解压到一个文件夹，再到那里双击 start.bat。& goto wait
:ask_python
echo 没有找到 Python 3.11 或更高版本。现在安装 Python 3.13 吗？只为这个用户安装，不用密码，装好后接着启动。（Y 安装，N 不装）& choice /c YN /n & goto answered
:no_python
echo 没有找到 Python 3.11 或更高版本（旧版本和打开 Microsoft Store 的那个都不算）。请从 https://www.python.org/downloads/ 安装，勾选 Add python.exe to PATH，再双击一次。& goto wait
:no_venv
echo 没能在这个文件夹里建立 .venv。请关掉正在运行的这个程序，或把文件夹放到一个可以写入的地方，再双击一次。& goto wait
:no_install
echo 没能装好需要的程序包，请检查网络，再双击一次。& goto wait
:stopped
echo 程序没有正常运行，原因在上面最后一行。& goto wait
:wait
popd
pause
exit /b 1
