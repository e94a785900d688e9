-- A maker of bicycles: five schemas, domains in public, keys between schemas, tables of one name, XML.
CREATE SCHEMA person; CREATE SCHEMA production; CREATE SCHEMA sales; CREATE SCHEMA purchasing; CREATE SCHEMA pe;
CREATE DOMAIN "AccountNumber" AS varchar(15);
CREATE DOMAIN "Flag" AS boolean NOT NULL;
CREATE DOMAIN "NameStyle" AS boolean NOT NULL DEFAULT false;
CREATE DOMAIN "Name" AS varchar(50);
CREATE TABLE person.businessentity (
    businessentityid serial PRIMARY KEY, rowguid uuid NOT NULL DEFAULT gen_random_uuid(),
    modifieddate timestamp NOT NULL DEFAULT now()
);
COMMENT ON TABLE person.businessentity IS 'Source of the ID that connects vendors, customers, and employees.';
CREATE TABLE person.person (
    businessentityid integer NOT NULL PRIMARY KEY REFERENCES person.businessentity, persontype char(2) NOT NULL,
    namestyle "NameStyle" DEFAULT false, firstname "Name" NOT NULL, suffix varchar(10),
    additionalcontactinfo text,
    modifieddate timestamp NOT NULL DEFAULT now(),
    CONSTRAINT "CK_Person_PersonType" CHECK (persontype IS NULL OR upper(persontype) IN ('SC', 'VC', 'IN', 'EM', 'SP', 'GC'))
);
CREATE TABLE production.product (
    productid serial PRIMARY KEY, name "Name" NOT NULL, makeflag "Flag" DEFAULT true, standardcost numeric NOT NULL,
    class char(2), size varchar(5),
    CONSTRAINT "CK_Product_Cost" CHECK (standardcost >= 0.00)
);
COMMENT ON COLUMN production.product.makeflag IS '0 = bought, 1 = made.';
CREATE TABLE production.document (
    title varchar(50) NOT NULL, owner integer NOT NULL REFERENCES person.person, status smallint NOT NULL,
    document bytea, rowguid uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(), documentnode varchar NOT NULL DEFAULT '/' PRIMARY KEY
);
CREATE TABLE purchasing.vendor (
    businessentityid integer PRIMARY KEY REFERENCES person.businessentity, accountnumber "AccountNumber" NOT NULL, name "Name" NOT NULL
);
CREATE TABLE sales.vendor (vendorid integer PRIMARY KEY, purchased integer REFERENCES purchasing.vendor);
CREATE TABLE sales.orderheader (
    orderid serial PRIMARY KEY, subtotal numeric NOT NULL DEFAULT 0.00, taxamt numeric NOT NULL DEFAULT 0.00,
    totaldue numeric GENERATED ALWAYS AS (subtotal + taxamt) STORED, person integer REFERENCES person.person,
    orderdate timestamp NOT NULL DEFAULT now()
);
CREATE TABLE sales.orderdetail (
    orderid integer NOT NULL REFERENCES sales.orderheader ON DELETE CASCADE, detailid serial NOT NULL,
    productid integer NOT NULL REFERENCES production.product, orderqty smallint NOT NULL CHECK (orderqty > 0),
    PRIMARY KEY (orderid, detailid)
);
CREATE VIEW pe.p AS SELECT businessentityid AS id, firstname FROM person.person;
CREATE VIEW sales.vtotal AS SELECT orderid, totaldue FROM sales.orderheader;
