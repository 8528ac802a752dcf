"""What stands behind ``spreadsheet``: workbooks and delimited text in, workbooks out.

bounds      what is refused, and a zip that cannot be made to unpack more than that
grid        the nouns of a sheet as it was found: rows, values, merged ranges
kinds       what a file is, by its bytes
workbook    .xlsx bytes -> grids        delimited   .csv bytes -> grids
headers     which column is which       header_words  what a header means
cells       a cell -> a field, or a complaint
other_lines sums and headers amid the rows
reading     file -> Import              writing     template and export
results     results and records as workbooks
"""
