-- A music shop with quoted names in mixed case, and a table that references itself.
CREATE TABLE "Artist" ("ArtistId" integer NOT NULL, "Name" varchar(120), CONSTRAINT "PK_Artist" PRIMARY KEY ("ArtistId"));
CREATE TABLE "Album" (
    "AlbumId" integer NOT NULL, "Title" varchar(160) NOT NULL, "ArtistId" integer NOT NULL,
    CONSTRAINT "PK_Album" PRIMARY KEY ("AlbumId"),
    CONSTRAINT "FK_AlbumArtistId" FOREIGN KEY ("ArtistId") REFERENCES "Artist" ("ArtistId")
);
CREATE INDEX "IFK_AlbumArtistId" ON "Album" ("ArtistId");
CREATE TABLE "Employee" (
    "LastName" varchar(20) NOT NULL, "EmployeeId" integer NOT NULL, "Title" varchar(30), "ReportsTo" integer,
    "BirthDate" timestamp without time zone, "Fax" varchar(24),
    CONSTRAINT "PK_Employee" PRIMARY KEY ("EmployeeId"),
    CONSTRAINT "FK_EmployeeReportsTo" FOREIGN KEY ("ReportsTo") REFERENCES "Employee" ("EmployeeId")
);
CREATE TABLE "MediaType" ("MediaTypeId" integer PRIMARY KEY, "Name" varchar(120));
CREATE TABLE "Track" (
    "TrackId" integer PRIMARY KEY, "Name" varchar(200) NOT NULL, "AlbumId" integer REFERENCES "Album",
    "MediaTypeId" integer NOT NULL REFERENCES "MediaType", "Milliseconds" integer NOT NULL, "Bytes" integer,
    "UnitPrice" numeric(10, 2) NOT NULL
);
CREATE TABLE "Playlist" ("PlaylistId" integer PRIMARY KEY, "Name" varchar(120));
CREATE TABLE "PlaylistTrack" (
    "PlaylistId" integer NOT NULL REFERENCES "Playlist", "TrackId" integer NOT NULL REFERENCES "Track",
    CONSTRAINT "PK_PlaylistTrack" PRIMARY KEY ("PlaylistId", "TrackId")
);
