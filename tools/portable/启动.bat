@echo off
rem Double-click: starts the server with the Python of this folder and opens the browser. All data is in data.
rem The Chinese messages are at the end, each with its jump in the same line: cmd loses its position in a file
rem after non-ASCII text.
setlocal
chcp 65001 >nul
pushd "%~dp0"
if not exist "program\python\python.exe" goto not_unpacked
if not exist "data" mkdir "data"
cd data
if %errorlevel% neq 0 goto not_writable
"..\program\python\python.exe" -I -X utf8 "..\program\start.py" --open
if %errorlevel% neq 0 goto stopped
popd
exit /b 0

:not_unpacked
echo 旁边没有找到 program 文件夹。请先把压缩包全部解压到一个文件夹，再到那里双击 启动.bat。& goto wait
:not_writable
echo 这个文件夹不能写入。请把它移到桌面或 D 盘，再双击一次。& goto wait
:stopped
echo 程序没有正常运行，原因在上面最后一行。& goto wait
:wait
popd
pause
exit /b 1
