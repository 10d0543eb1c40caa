#include "store/wf_store_int.h"

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_hash.h>
#include <stdlib.h>
#include <string.h>

#define VERSION_DIGITS 4
#define FILE_MAX (4 * 1024 * 1024)

typedef struct {
    int version;
    const char *name; /* "0001_base.sql" */
    const char *text;
    const char *checksum;
} migration_t;

/* ---- the folder ------------------------------------------------------------------------- */

/* The version of a file called NNNN_name.sql, else 0. */
static int version_of(const char *name)
{
    size_t len = strlen(name);
    char digits[VERSION_DIGITS + 1];
    int64_t version;

    if (len < VERSION_DIGITS + 6 || name[VERSION_DIGITS] != '_' ||
        strcmp(name + len - 4, ".sql") != 0) {
        return 0;
    }
    apr_cpystrn(digits, name, sizeof(digits));
    return wf_parse_int(&version, digits, 1, 9999) ? (int)version : 0;
}

static wf_status_t read_migration(wf_ctx_t *ctx, migration_t *m, const char *folder)
{
    const char *path = apr_pstrcat(ctx->pool, folder, "/", m->name, NULL);
    char error[200];
    apr_file_t *file;
    apr_finfo_t info;
    char *text;
    apr_status_t rv;

    rv = apr_file_open(&file, path, APR_FOPEN_READ, APR_FPROT_OS_DEFAULT, ctx->pool);
    if (rv == APR_SUCCESS) {
        rv = apr_file_info_get(&info, APR_FINFO_SIZE, file);
        if (rv == APR_SUCCESS && info.size > FILE_MAX) {
            rv = APR_ENOMEM;
        }
        if (rv == APR_SUCCESS) {
            text = apr_pcalloc(ctx->pool, (size_t)info.size + 1);
            rv = apr_file_read_full(file, text, (size_t)info.size, NULL);
        }
        apr_file_close(file);
    }
    if (rv != APR_SUCCESS) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0298) "%s: cannot be read: %s", path,
                              apr_strerror(rv, error, sizeof(error)));
    }
    m->text = text;
    m->checksum = wf_sha256_hex(ctx->pool, text, (size_t)info.size);
    return WF_OK;
}

static int by_version(const void *a, const void *b)
{
    return ((const migration_t *)a)->version - ((const migration_t *)b)->version;
}

static wf_status_t read_folder(wf_ctx_t *ctx, apr_array_header_t **out, const char *folder)
{
    apr_array_header_t *found = apr_array_make(ctx->pool, 16, sizeof(migration_t));
    char error[200];
    apr_dir_t *dir;
    apr_finfo_t info;
    apr_status_t rv = apr_dir_open(&dir, folder, ctx->pool);
    wf_status_t st = WF_OK;
    int i;

    *out = found;
    if (rv != APR_SUCCESS) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0299) "schema folder %s: %s", folder,
                              apr_strerror(rv, error, sizeof(error)));
    }
    while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (version_of(info.name) > 0) {
            migration_t *m = apr_array_push(found);
            m->version = version_of(info.name);
            m->name = apr_pstrdup(ctx->pool, info.name);
        }
    }
    apr_dir_close(dir);
    if (found->nelts == 0) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0300) "schema folder %s: no migrations",
                              folder);
    }
    qsort(found->elts, (size_t)found->nelts, sizeof(migration_t), by_version);
    for (i = 0; st == WF_OK && i < found->nelts; i++) {
        migration_t *m = &APR_ARRAY_IDX(found, i, migration_t);
        if (i > 0 && m[-1].version == m->version) {
            return wf_fail_public(ctx, WF_EINVALID,
                                  WFLOGNO(0301) "schema folder %s: %s and %s have one number",
                                  folder, m[-1].name, m->name);
        }
        st = read_migration(ctx, m, folder);
    }
    return st;
}

/* ---- what is applied -------------------------------------------------------------------- */

/* {version: checksum}; empty where there is no schema yet. */
static wf_status_t read_applied(wf_ctx_t *ctx, apr_hash_t **out, int *newest, wf_pg_conn_t *conn)
{
    wf_pg_result_t *res;
    wf_status_t st;
    int i;

    *out = apr_hash_make(ctx->pool);
    *newest = 0;
    st = wf_pg_exec(ctx, &res, conn, wf_sql(WF_SQL_MIGRATE_TABLE_EXISTS), NULL);
    if (st != WF_OK || strcmp(wf_pg_cell(res, 0, 0), "t") != 0) {
        return st;
    }
    if ((st = wf_pg_exec(ctx, &res, conn, wf_sql(WF_SQL_MIGRATE_APPLIED), NULL)) != WF_OK) {
        return st;
    }
    for (i = 0; i < wf_pg_rows(res); i++) {
        int *version = apr_palloc(ctx->pool, sizeof(*version));
        *version = (int)wf_store_int(res, i, 0);
        apr_hash_set(*out, version, sizeof(*version), wf_pg_cell(res, i, 2));
        *newest = *version > *newest ? *version : *newest;
    }
    return WF_OK;
}

static const char *applied_checksum(apr_hash_t *applied, const migration_t *m)
{
    return apr_hash_get(applied, &m->version, sizeof(m->version));
}

/* ---- migrating -------------------------------------------------------------------------- */

static wf_status_t run(wf_ctx_t *ctx, wf_pg_conn_t *conn, const migration_t *m)
{
    const wf_pg_param_t params[] = {apr_psprintf(ctx->pool, "%d", m->version), m->name,
                                    m->checksum};
    wf_pg_result_t *res;
    wf_status_t st;

    if ((st = wf_pg_exec(ctx, &res, conn, wf_sql(WF_SQL_MIGRATE_TIMEOUTS), NULL)) != WF_OK ||
        (st = wf_pg_exec_script(ctx, conn, m->text)) != WF_OK) {
        return st;
    }
    return wf_pg_exec(ctx, &res, conn, wf_sql(WF_SQL_MIGRATE_RECORD), params);
}

/* In one transaction, with the lock that lets one operator migrate at a time: looks whether
 * somebody else has applied it meanwhile. */
static wf_status_t apply(wf_ctx_t *ctx, wf_migrate_report_t *out, wf_pg_conn_t *conn,
                         const migration_t *m, void (*say)(const char *file, void *baton),
                         void *baton)
{
    apr_hash_t *applied;
    wf_pg_result_t *res;
    const char *checksum;
    wf_status_t st;

    if ((st = wf_pg_begin(ctx, conn, NULL)) != WF_OK ||
        (st = wf_pg_exec(ctx, &res, conn, wf_sql(WF_SQL_MIGRATE_LOCK), NULL)) != WF_OK ||
        (st = read_applied(ctx, &applied, &out->version, conn)) != WF_OK) {
        return st;
    }
    checksum = applied_checksum(applied, m);
    if (checksum && strcmp(checksum, m->checksum) != 0) {
        out->changed = m->name;
        return wf_fail_public(
            ctx, WF_ECONFLICT,
            WFLOGNO(0302) "%s was applied and has been changed since: put the applied text back "
                          "and write a new file",
            m->name);
    }
    if (checksum) {
        return wf_pg_commit(ctx, conn);
    }
    if (m->version < out->version) {
        return wf_fail_public(
            ctx, WF_ECONFLICT,
            WFLOGNO(0303) "%s is not applied, but version %d is: give it the next number", m->name,
            out->version);
    }
    if (say) {
        say(m->name, baton);
    }
    if ((st = run(ctx, conn, m)) == WF_OK && (st = wf_pg_commit(ctx, conn)) == WF_OK) {
        out->applied++;
        out->version = m->version;
    }
    return st;
}

wf_status_t wf_migrate(wf_ctx_t *ctx, wf_migrate_report_t *out, wf_pg_t *pg, const char *folder,
                       void (*say)(const char *file, void *baton), void *baton)
{
    apr_array_header_t *migrations;
    wf_pg_conn_t *conn;
    wf_status_t st;
    int i;

    memset(out, 0, sizeof(*out));
    if ((st = read_folder(ctx, &migrations, folder)) != WF_OK ||
        (st = wf_pg_acquire(ctx, &conn, pg)) != WF_OK) {
        return st;
    }
    for (i = 0; st == WF_OK && i < migrations->nelts; i++) {
        st = apply(ctx, out, conn, &APR_ARRAY_IDX(migrations, i, migration_t), say, baton);
    }
    wf_pg_release(pg, conn);
    return st;
}

wf_status_t wf_migrate_status(wf_ctx_t *ctx, wf_migrate_report_t *out, wf_pg_t *pg,
                              const char *folder)
{
    apr_array_header_t *migrations;
    apr_hash_t *applied;
    wf_pg_conn_t *conn;
    wf_status_t st;
    int i;

    memset(out, 0, sizeof(*out));
    if ((st = read_folder(ctx, &migrations, folder)) != WF_OK ||
        (st = wf_pg_acquire(ctx, &conn, pg)) != WF_OK) {
        return st;
    }
    st = read_applied(ctx, &applied, &out->version, conn);
    wf_pg_release(pg, conn);
    for (i = 0; st == WF_OK && i < migrations->nelts; i++) {
        const migration_t *m = &APR_ARRAY_IDX(migrations, i, migration_t);
        const char *checksum = applied_checksum(applied, m);

        out->pending += !checksum;
        if (checksum && strcmp(checksum, m->checksum) != 0 && !out->changed) {
            out->changed = m->name;
        }
    }
    return st;
}

wf_status_t wf_schema_version(wf_ctx_t *ctx, int *version, const wf_store_t *store)
{
    wf_pg_result_t *res;
    wf_status_t st;

    *version = 0;
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_SCHEMA_EXISTS, NULL);
    if (st != WF_OK || strcmp(wf_pg_cell(res, 0, 0), "t") != 0) {
        return st;
    }
    st = wf_store_query_plain(ctx, &res, store, WF_SQL_SCHEMA_VERSION, NULL);
    if (st == WF_OK) {
        *version = (int)wf_store_int(res, 0, 0);
    }
    return st;
}
