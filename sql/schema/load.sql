-- One row for every load that was committed; a load holds the lock on this table, so that loads follow one another.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.load (
    run_id VARCHAR(64) NOT NULL,
    load_id VARCHAR(64) NOT NULL,
    loaded_at TIMESTAMP NOT NULL,
    first_fiscal_year INTEGER NOT NULL,
    last_fiscal_year INTEGER NOT NULL,
    row_count BIGINT NOT NULL,
    PRIMARY KEY (run_id, load_id)
)
DISTSTYLE ALL;
