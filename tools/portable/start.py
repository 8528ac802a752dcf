"""Starts the program of the Windows ZIP; says what to do where Windows does not load a part of it."""

import sys

BLOCKED = (
    "Windows 拦住了程序的一个部件（{reason}）。"
    "请右键下载的压缩包，选「属性」，勾选「解除锁定」，重新解压再启动；"
    "还是这样，就是「智能应用控制」拦住的：用另一台电脑，或把程序装在服务器上。"
)

try:
    from web_app import main
except ImportError as error:
    if "DLL load failed" not in str(error):
        raise
    print(BLOCKED.format(reason=error))
    sys.exit(1)

if __name__ == "__main__":
    sys.exit(main())
