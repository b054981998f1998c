-- Every code published for a name within its parents, with its evidence, and which one the name keeps.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.code_mapping (
    dimension VARCHAR(20) NOT NULL,
    pair VARCHAR(30) NOT NULL,
    parents VARCHAR(1300) NOT NULL,
    name VARCHAR(300) NOT NULL,
    code VARCHAR(100) NOT NULL,
    first_fiscal_year INTEGER NOT NULL,
    last_fiscal_year INTEGER NOT NULL,
    row_count BIGINT NOT NULL,
    revenue DECIMAL(18,2) NOT NULL,
    spending DECIMAL(18,2) NOT NULL,
    chart VARCHAR(10) NOT NULL,
    kept_code VARCHAR(100) NOT NULL,
    reason VARCHAR(10) NOT NULL,
    PRIMARY KEY (pair, parents, name, code)
)
DISTSTYLE ALL;
