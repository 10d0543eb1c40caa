#include "wf_test_store.h"

#include <apr_file_io.h>

/* ---- helpers ---------------------------------------------------------------------------- */

/* A database of its own for `owner`; returns its name. */
static const char *new_database(const char *name, const char *owner)
{
    wf_pg_t *pg = pg_as("postgres", "postgres", 0);
    wf_pg_conn_t *conn;

    OK(wf_pg_acquire(test_ctx, &conn, pg));
    OK(wf_pg_exec_script(test_ctx, conn,
                         apr_psprintf(test_pool, "create database %s owner %s", name, owner)));
    wf_pg_release(pg, conn);
    return name;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    const char *path = apr_pstrcat(test_pool, folder, "/", name, NULL);
    apr_file_t *f;

    ck_assert_int_eq(apr_file_open(&f, path,
                                   APR_FOPEN_WRITE | APR_FOPEN_CREATE | APR_FOPEN_TRUNCATE,
                                   APR_FPROT_OS_DEFAULT, test_pool),
                     APR_SUCCESS);
    ck_assert_int_eq(apr_file_puts(text, f), APR_SUCCESS);
    apr_file_close(f);
}

/* A folder with the first real migration, which makes schema_migrations. */
static const char *small_folder(void)
{
    char *folder = apr_pstrdup(test_pool, "/tmp/wf-schema-XXXXXX");
    const char *from = apr_pstrcat(test_pool, schema_folder(), "/0001_base.sql", NULL);

    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(apr_file_copy(from, apr_pstrcat(test_pool, folder, "/0001_base.sql", NULL),
                                   APR_FPROT_OS_DEFAULT, test_pool),
                     APR_SUCCESS);
    return folder;
}

static void remove_folder(const char *folder)
{
    wf_test_server_t dir;

    snprintf(dir.dir, sizeof(dir.dir), "%s", folder);
    wf_test_remove_dir(&dir);
}

static void count_file(const char *file, void *baton)
{
    *(const char **)baton = apr_pstrdup(test_pool, file);
}

/* ---- tests ------------------------------------------------------------------------------ */

START_TEST(migrating_again_applies_nothing)
{
    wf_pg_t *owner = pg_as(OWNER, DATABASE, 0);
    wf_migrate_report_t report;
    const char *said = NULL;
    int version;

    OK(wf_migrate(test_ctx, &report, owner, schema_folder(), count_file, &said));
    ck_assert_int_eq(report.applied, 0);
    ck_assert_int_eq(report.version, WF_SCHEMA_VERSION_NEEDED);
    ck_assert_ptr_null(said);
    OK(wf_migrate_status(test_ctx, &report, owner, schema_folder()));
    ck_assert_int_eq(report.pending, 0);
    ck_assert_ptr_null(report.changed);
    OK(wf_schema_version(test_ctx, &version, &store));
    ck_assert_int_eq(version, WF_SCHEMA_VERSION_NEEDED);
}
END_TEST

START_TEST(a_database_without_the_schema_is_at_version_zero)
{
    wf_store_t empty = store;
    wf_migrate_report_t report;
    int version = 9;

    empty.pg = pg_as("postgres", new_database("wf_empty", OWNER), 0);
    OK(wf_schema_version(test_ctx, &version, &empty));
    ck_assert_int_eq(version, 0);
    OK(wf_migrate_status(test_ctx, &report, empty.pg, schema_folder()));
    ck_assert_int_eq(report.version, 0);
    ck_assert_int_eq(report.pending, WF_SCHEMA_VERSION_NEEDED);
}
END_TEST

START_TEST(a_file_changed_after_it_was_applied_is_named_and_stops_the_migration)
{
    wf_pg_t *owner = pg_as(OWNER, new_database("wf_changed", OWNER), 0);
    const char *folder = small_folder();
    wf_migrate_report_t report;

    write_file(folder, "0002_more.sql", "create table wflows.more (id int primary key);");
    OK(wf_migrate(test_ctx, &report, owner, folder, NULL, NULL));
    ck_assert_int_eq(report.applied, 2);
    write_file(folder, "0002_more.sql", "create table wflows.more (id bigint primary key);");
    write_file(folder, "0003_last.sql", "create table wflows.last (id int primary key);");
    OK(wf_migrate_status(test_ctx, &report, owner, folder));
    ck_assert_str_eq(report.changed, "0002_more.sql");
    ck_assert_int_eq(report.pending, 1);
    FAILS(wf_migrate(test_ctx, &report, owner, folder, NULL, NULL), WF_ECONFLICT,
          "0002_more.sql was applied and has been changed since: put the applied text back and "
          "write a new file");
    ck_assert_str_eq(report.changed, "0002_more.sql");
    ck_assert_int_eq(report.version, 2);
    remove_folder(folder);
}
END_TEST

START_TEST(a_failing_file_leaves_nothing_behind_and_can_be_mended)
{
    const char *database = new_database("wf_failing", OWNER);
    wf_pg_t *owner = pg_as(OWNER, database, 0);
    const char *folder = small_folder(), *said = NULL;
    wf_migrate_report_t report;

    write_file(folder, "0002_bad.sql", "create table wflows.half (id int); select 1/0;");
    ck_assert_int_eq(wf_migrate(test_ctx, &report, owner, folder, count_file, &said), WF_EINVALID);
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(report.applied, 1);
    ck_assert_int_eq(report.version, 1);
    ck_assert_str_eq(said, "0002_bad.sql");
    write_file(folder, "0002_bad.sql", "create table wflows.half (id int);");
    OK(wf_migrate(test_ctx, &report, owner, folder, NULL, NULL));
    ck_assert_int_eq(report.applied, 1);
    remove_folder(folder);
}
END_TEST

START_TEST(a_number_that_was_passed_by_or_is_there_twice_is_refused)
{
    wf_pg_t *owner = pg_as(OWNER, new_database("wf_numbers", OWNER), 0);
    const char *folder = small_folder();
    wf_migrate_report_t report;

    write_file(folder, "0003_c.sql", "select 1;");
    OK(wf_migrate(test_ctx, &report, owner, folder, NULL, NULL));
    write_file(folder, "0002_b.sql", "select 1;");
    FAILS(wf_migrate(test_ctx, &report, owner, folder, NULL, NULL), WF_ECONFLICT,
          "0002_b.sql is not applied, but version 3 is: give it the next number");
    write_file(folder, "0003_d.sql", "select 1;");
    ck_assert_int_eq(wf_migrate(test_ctx, &report, owner, folder, NULL, NULL), WF_EINVALID);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.public_text, "have one number"));
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(wf_migrate(test_ctx, &report, owner, "/nonexistent", NULL, NULL), WF_EINVALID);
    remove_folder(folder);
}
END_TEST

/* The roles are the whole server's; here they exist already. */
START_TEST(an_owner_that_may_not_make_roles_can_migrate_once_it_was_given_them)
{
    wf_migrate_report_t report;
    wf_pg_t *owner;

    OK(script_as(superuser, "create role plain_owner login"));
    owner = pg_as("plain_owner", new_database("wf_plain", "plain_owner"), 0);
    ck_assert_int_ne(wf_migrate(test_ctx, &report, owner, schema_folder(), NULL, NULL), WF_OK);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "plain_owner may not grant the roles"));
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail,
                                 "GRANT wflows_platform, wflows_lookup, wflows_worker TO plain_owner"));
    wf_ctx_clear(test_ctx);
    OK(script_as(superuser, "grant wflows_platform, wflows_lookup, wflows_worker to plain_owner"));
    OK(wf_migrate(test_ctx, &report, owner, schema_folder(), NULL, NULL));
    ck_assert_int_eq(report.version, WF_SCHEMA_VERSION_NEEDED);
}
END_TEST

START_TEST(a_superuser_can_migrate_too)
{
    wf_migrate_report_t report;

    OK(wf_migrate(test_ctx, &report, pg_as("postgres", new_database("wf_super", "postgres"), 0),
                  schema_folder(), NULL, NULL));
    ck_assert_int_eq(report.applied, WF_SCHEMA_VERSION_NEEDED);
}
END_TEST

START_TEST(a_role_of_ours_that_row_security_does_not_bind_is_refused)
{
    wf_migrate_report_t report;
    wf_pg_t *pg = pg_as("postgres", new_database("wf_bypass", "postgres"), 0);

    OK(script_as(superuser, "alter role wflows_lookup bypassrls"));
    ck_assert_int_ne(wf_migrate(test_ctx, &report, pg, schema_folder(), NULL, NULL), WF_OK);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "superuser or has BYPASSRLS"));
    wf_ctx_clear(test_ctx);
    OK(script_as(superuser, "alter role wflows_lookup nobypassrls"));
    OK(wf_migrate(test_ctx, &report, pg, schema_folder(), NULL, NULL));
}
END_TEST

/* The ids of wf_sql.h as they stand there: each area has numbers of its own, and no end. */
static int *statement_ids(int *count)
{
    const char *src = getenv("WF_SRCDIR");
    FILE *file = fopen(apr_pstrcat(test_pool, src ? src : ".", "/lib/store/wf_sql.h", NULL), "r");
    int *ids = apr_palloc(test_pool, 4096 * sizeof(*ids)), id = -1, area, n = 0;
    char line[256], name[128];

    ck_assert_ptr_nonnull(file);
    while (n < 4096 && fgets(line, sizeof(line), file) && strncmp(line, "} wf_sql_id_t", 13) != 0) {
        if (sscanf(line, " WF_SQL_AREA_%*[A-Z] = %d << 8,", &area) == 1) {
            id = area << 8;
        } else if (sscanf(line, " WF_SQL_%127[A-Z0-9_],", name) == 1) {
            id++;
            if (strcmp(name, "CORE_END") != 0 && strcmp(name, "AREA_END") != 0) {
                ids[n++] = id;
            }
        }
    }
    fclose(file);
    *count = n;
    return ids;
}

static void try_statement(wf_pg_conn_t *conn, int id)
{
    const wf_pg_stmt_t *stmt = wf_sql((wf_sql_id_t)id);
    wf_pg_stmt_t count = {NULL, NULL, 0};
    wf_pg_result_t *res;

    ck_assert_msg(stmt->name && stmt->text, "statement %d is missing", id);
    if (id == WF_SQL_OUTBOX_LISTEN) {
        return; /* a command without parameters: SQL's PREPARE takes none */
    }
    OK(wf_pg_exec_script(test_ctx, conn,
                         apr_psprintf(test_pool, "prepare t_%s as %s", stmt->name, stmt->text)));
    count.text = apr_psprintf(test_pool,
                              "select cardinality(parameter_types) from"
                              " pg_prepared_statements where name = 't_%s'",
                              stmt->name);
    OK(wf_pg_exec(test_ctx, &res, conn, &count, NULL));
    ck_assert_msg(atoi(wf_pg_cell(res, 0, 0)) == stmt->params, "%s has %s parameters", stmt->name,
                  wf_pg_cell(res, 0, 0));
}

START_TEST(every_statement_fits_the_schema_and_says_how_many_parameters_it_has)
{
    wf_pg_conn_t *conn;
    int count, i, *ids = statement_ids(&count);

    ck_assert_int_gt(count, WF_SQL_CORE_END + 50);
    OK(wf_pg_acquire(test_ctx, &conn, superuser));
    for (i = 0; i < count; i++) {
        try_statement(conn, ids[i]);
    }
    wf_pg_release(superuser, conn);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, migrating_again_applies_nothing);
    tcase_add_test(tc, a_database_without_the_schema_is_at_version_zero);
    tcase_add_test(tc, a_file_changed_after_it_was_applied_is_named_and_stops_the_migration);
    tcase_add_test(tc, a_failing_file_leaves_nothing_behind_and_can_be_mended);
    tcase_add_test(tc, a_number_that_was_passed_by_or_is_there_twice_is_refused);
    tcase_add_test(tc, an_owner_that_may_not_make_roles_can_migrate_once_it_was_given_them);
    tcase_add_test(tc, a_superuser_can_migrate_too);
    tcase_add_test(tc, a_role_of_ours_that_row_security_does_not_bind_is_refused);
    tcase_add_test(tc, every_statement_fits_the_schema_and_says_how_many_parameters_it_has);
}

int main(void)
{
    return wf_test_store_main("migrate", add_tests);
}
