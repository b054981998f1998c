-- Whether a transaction is revenue or spending.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.finance (
    finance_id BIGINT NOT NULL,
    revenue_or_spending VARCHAR(300) NOT NULL,
    PRIMARY KEY (finance_id)
)
DISTSTYLE ALL;
