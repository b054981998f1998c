-- Every fund with the codes published for it in a fiscal year, in how many rows and dollars.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.fund_evidence (
    fiscal_year INTEGER NOT NULL,
    fund_category VARCHAR(300) NOT NULL,
    fund_category_code VARCHAR(100) NOT NULL,
    fund VARCHAR(300) NOT NULL,
    fund_code VARCHAR(100) NOT NULL,
    fund_type VARCHAR(300) NOT NULL,
    fund_type_code VARCHAR(100) NOT NULL,
    row_count BIGINT NOT NULL,
    revenue DECIMAL(18,2) NOT NULL,
    spending DECIMAL(18,2) NOT NULL,
    PRIMARY KEY (fiscal_year, fund_category, fund_category_code, fund, fund_code, fund_type, fund_type_code)
)
DISTSTYLE EVEN
SORTKEY (fiscal_year);
