"""Workbooks for tests: by openpyxl, by XlsxWriter, and assembled by hand like other programs do."""
