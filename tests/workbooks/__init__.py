"""Workbooks for the tests: made by openpyxl, by XlsxWriter, and by hand in the shapes of other programs."""
