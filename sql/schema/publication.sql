-- When the source system last updated the rows of each loaded fiscal year: the as-of date of every figure.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.publication (
    fiscal_year INTEGER NOT NULL,
    data_as_of TIMESTAMP NOT NULL,
    PRIMARY KEY (fiscal_year)
)
DISTSTYLE ALL;
