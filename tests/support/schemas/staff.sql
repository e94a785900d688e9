-- Employees with a schema of their own, an enum, identity columns, a range, composite and delayed keys.
CREATE SCHEMA employees;
CREATE TYPE employees.employee_gender AS ENUM ('M', 'F');
CREATE SEQUENCE employees.id_employee_seq START 10001;
CREATE TABLE employees.employee (
    id bigint NOT NULL DEFAULT nextval('employees.id_employee_seq'::regclass), birth_date date NOT NULL,
    first_name varchar(14) NOT NULL, gender employees.employee_gender NOT NULL, hire_date date NOT NULL,
    CONSTRAINT idx_16988_primary PRIMARY KEY (id)
);
CREATE TABLE employees.department (
    id char(4) PRIMARY KEY, dept_name varchar(40) NOT NULL, head bigint REFERENCES employees.employee,
    CONSTRAINT idx_16979_dept_name UNIQUE (dept_name) DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE employees.department_employee (
    employee_id bigint NOT NULL REFERENCES employees.employee ON UPDATE RESTRICT ON DELETE CASCADE,
    department_id char(4) NOT NULL REFERENCES employees.department, from_date date NOT NULL, to_date date NOT NULL,
    PRIMARY KEY (employee_id, department_id), CHECK (from_date <= to_date)
);
CREATE TABLE employees.salary (
    employee_id bigint NOT NULL REFERENCES employees.employee, amount bigint NOT NULL, from_date date NOT NULL,
    to_date date NOT NULL, during daterange GENERATED ALWAYS AS (daterange(from_date, to_date)) STORED,
    PRIMARY KEY (employee_id, from_date)
);
CREATE TABLE employees.title (
    no integer GENERATED ALWAYS AS IDENTITY (START WITH 7 MINVALUE 5 CACHE 20 CYCLE) PRIMARY KEY,
    employee_id bigint NOT NULL, title varchar(50) NOT NULL, from_date date NOT NULL DEFAULT CURRENT_DATE,
    UNIQUE (employee_id, title, from_date),
    FOREIGN KEY (employee_id, from_date) REFERENCES employees.salary (employee_id, from_date) MATCH FULL
);
CREATE UNLOGGED TABLE employees.visits (at timestamptz PRIMARY KEY DEFAULT now(), type text, "user" text) WITH (fillfactor = 70);
CREATE TABLE employees.audit (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), json jsonb NOT NULL DEFAULT '{}', text text, datetime timestamptz, date date, bytes bytea);
CREATE INDEX audit_json ON employees.audit USING gin (json jsonb_path_ops);
