-- The codes under which a transaction was published.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.transaction_published (
    transaction_id BIGINT NOT NULL,
    fiscal_year INTEGER NOT NULL,
    published_id BIGINT NOT NULL,
    PRIMARY KEY (transaction_id),
    FOREIGN KEY (transaction_id) REFERENCES report.transaction (transaction_id),
    FOREIGN KEY (published_id) REFERENCES report.published_codes (published_id)
)
DISTSTYLE EVEN
SORTKEY (fiscal_year);
