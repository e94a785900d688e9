-- An importer of food: unusual types and keys, a column named after its table, tables without a key.
CREATE TABLE categories (category_id smallint NOT NULL PRIMARY KEY, category_name varchar(15) NOT NULL, description text, picture bytea);
CREATE TABLE customer_demographics (customer_type_id bpchar NOT NULL PRIMARY KEY, customer_desc text);
CREATE TABLE customers (
    company_name varchar(40) NOT NULL, customer_id varchar(5) NOT NULL PRIMARY KEY, contact_name varchar(30), country varchar(15)
);
CREATE TABLE customer_customer_demo (
    customer_id varchar(5) NOT NULL REFERENCES customers, customer_type_id bpchar NOT NULL REFERENCES customer_demographics,
    PRIMARY KEY (customer_id, customer_type_id)
);
CREATE TABLE employees (
    employee_id smallint NOT NULL PRIMARY KEY, last_name varchar(20) NOT NULL, birth_date date, photo bytea,
    reports_to smallint REFERENCES employees, photo_path varchar(255), notes text
);
CREATE TABLE region (region_id smallint PRIMARY KEY, region_description varchar(60) NOT NULL);
CREATE TABLE orders (
    order_id smallint PRIMARY KEY, customer_id varchar(5) REFERENCES customers, employee_id smallint REFERENCES employees,
    order_date date, freight real, ship_name varchar(40)
);
CREATE TABLE products (
    product_id smallint PRIMARY KEY, product_name varchar(40) NOT NULL, category_id smallint REFERENCES categories,
    unit_price real, discontinued integer NOT NULL, CONSTRAINT ck_products_price CHECK (unit_price >= 0)
);
CREATE TABLE order_details (
    order_id smallint NOT NULL REFERENCES orders, product_id smallint NOT NULL REFERENCES products,
    unit_price real NOT NULL, quantity smallint NOT NULL, discount real NOT NULL, PRIMARY KEY (order_id, product_id)
);
CREATE TABLE us_states (state_name varchar(100), state_abbr varchar(2), state_region varchar(50));
CREATE VIEW sales AS SELECT o.order_id, sum(d.unit_price * d.quantity) AS subtotal
    FROM orders o JOIN order_details d USING (order_id) GROUP BY o.order_id;
