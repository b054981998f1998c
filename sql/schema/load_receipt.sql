-- Rows and dollars of each fiscal year and side at every hop from the portal to the views, of every run.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.load_receipt (
    run_id VARCHAR(64) NOT NULL,
    load_id VARCHAR(64) NOT NULL,
    fiscal_year INTEGER NOT NULL,
    revenue_or_spending VARCHAR(300) NOT NULL,
    portal_rows BIGINT NOT NULL,
    portal_amount DECIMAL(18,2) NOT NULL,
    quarantined_rows BIGINT NOT NULL,
    quarantined_amount DECIMAL(18,2) NOT NULL,
    raw_rows BIGINT NOT NULL,
    raw_amount DECIMAL(18,2) NOT NULL,
    star_rows BIGINT NOT NULL,
    star_amount DECIMAL(18,2) NOT NULL,
    warehouse_rows BIGINT NOT NULL,
    warehouse_amount DECIMAL(18,2) NOT NULL,
    views_rows BIGINT NOT NULL,
    views_amount DECIMAL(18,2) NOT NULL,
    s3_bytes BIGINT NOT NULL,
    s3_sha256 VARCHAR(64) NOT NULL,
    first_difference VARCHAR(20) NOT NULL,
    PRIMARY KEY (run_id, load_id, fiscal_year, revenue_or_spending)
)
DISTSTYLE ALL;
