-- One row for every published row: dollars of one program, type, fund and side in a fiscal year.
-- Generated from sf_transactions/model.py by `make generated`; edit there.
CREATE TABLE IF NOT EXISTS report.transaction (
    transaction_id BIGINT NOT NULL,
    fiscal_year INTEGER NOT NULL,
    program_id BIGINT NOT NULL,
    type_id BIGINT NOT NULL,
    fund_id BIGINT NOT NULL,
    finance_id BIGINT NOT NULL,
    amount DECIMAL(18,2) NOT NULL,
    PRIMARY KEY (transaction_id),
    FOREIGN KEY (program_id) REFERENCES report.program (program_id),
    FOREIGN KEY (type_id) REFERENCES report.type (type_id),
    FOREIGN KEY (fund_id) REFERENCES report.fund (fund_id),
    FOREIGN KEY (finance_id) REFERENCES report.finance (finance_id)
)
DISTSTYLE EVEN
SORTKEY (fiscal_year);
