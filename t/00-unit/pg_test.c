#include "wf_test_pg.h"

#include <apr_thread_proc.h>

START_TEST(a_connection_has_the_session_settings_we_rely_on)
{
    wf_pg_t *pg = app();
    wf_pg_conn_t *conn = acquire(pg);

    ck_assert_str_eq(one(conn, &setting, "search_path"), "");
    ck_assert_str_eq(one(conn, &setting, "timezone"), "UTC");
    ck_assert_str_eq(one(conn, &setting, "client_encoding"), "UTF8");
    ck_assert_str_eq(one(conn, &setting, "application_name"), "wflows");
    ck_assert_str_eq(one(conn, &setting, "statement_timeout"), "2s");
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(a_role_that_row_level_security_does_not_bind_is_refused_with_advice)
{
    static const char *const roles[][2] = {{"postgres", "is a superuser"},
                                           {"bypasser", "has BYPASSRLS"},
                                           {"wflows_owner", "owns the schema"},
                                           {"owner_member", "owns the schema"}};
    size_t i;

    for (i = 0; i < 4; i++) {
        wf_pg_conf_t conf = conf_as(roles[i][0]);
        wf_pg_t *pg = make(&conf);
        wf_pg_conn_t *conn = (wf_pg_conn_t *)pg;

        wf_ctx_clear(test_ctx);
        ck_assert_int_eq(wf_pg_acquire(test_ctx, &conn, pg), WF_EDENIED);
        ck_assert_ptr_null(conn);
        ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, roles[i][0]));
        ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, roles[i][1]));
        ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "wflows_app"));
    }
}
END_TEST

START_TEST(a_statement_is_prepared_once_and_each_call_is_one_round_trip)
{
    wf_pg_t *pg = app();
    wf_pg_conn_t *conn = acquire(pg);
    wf_pg_result_t *res;
    uint64_t before;
    wf_pg_stmt_t prepared = {"prepared", "SELECT count(*) FROM pg_catalog.pg_prepared_statements",
                             0};
    int i;

    before = trips(pg);
    for (i = 0; i < 3; i++) {
        ck_assert_int_eq(wf_pg_exec_as(test_ctx, &res, conn, ACME, &count_items, NULL), WF_OK);
    }
    ck_assert_uint_eq(trips(pg) - before, 3);
    ck_assert_int_eq(wf_pg_begin(test_ctx, conn, ACME), WF_OK);
    ck_assert_int_eq(wf_pg_commit(test_ctx, conn), WF_OK);
    ck_assert_uint_eq(trips(pg) - before, 5);
    /* wf_tenant, count_items and this one */
    ck_assert_str_eq(one(conn, &prepared, NULL), "3");
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(the_tenant_holds_for_its_transaction_only)
{
    wf_pg_t *pg = app();
    wf_pg_conn_t *conn = acquire(pg);
    wf_pg_param_t params[] = {ACME, "bolt", "3"};
    wf_pg_param_t foreign[] = {OTHER, "nut", "1"};
    wf_pg_result_t *res;

    ck_assert_int_eq(wf_pg_exec_as(test_ctx, &res, conn, ACME, &add_item, params), WF_OK);
    ck_assert_int_eq(wf_pg_affected(res), 1);
    ck_assert_str_eq(one(conn, &count_items, NULL), "0");
    ck_assert_int_eq(wf_pg_exec_as(test_ctx, &res, conn, OTHER, &count_items, NULL), WF_OK);
    ck_assert_str_eq(wf_pg_cell(res, 0, 0), "0");
    ck_assert_int_eq(wf_pg_exec_as(test_ctx, &res, conn, ACME, &count_items, NULL), WF_OK);
    ck_assert_str_eq(wf_pg_cell(res, 0, 0), "1");
    /* Row level security itself refuses a foreign row. */
    ck_assert_int_eq(wf_pg_exec_as(test_ctx, &res, conn, ACME, &add_item, foreign), WF_EDENIED);
    ck_assert_ptr_null(res);

    ck_assert_int_eq(wf_pg_begin(test_ctx, conn, ACME), WF_OK);
    ck_assert_str_eq(one(conn, &count_items, NULL), "1");
    wf_pg_rollback(test_ctx, conn);
    ck_assert_str_eq(one(conn, &count_items, NULL), "0");
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(failures_are_told_apart_and_name_the_constraint)
{
    wf_pg_t *pg = superuser();
    wf_pg_conn_t *conn = acquire(pg);
    wf_pg_stmt_t wrong = {"wrong", "SELECT nothing FROM nowhere", 0};

    ck_assert_int_eq(add(conn, ACME, "bolt", "1"), WF_OK);
    ck_assert_int_eq(add(conn, ACME, "bolt", "2"), WF_ECONFLICT);
    ck_assert_str_eq(wf_pg_constraint(conn), "items_pkey");
    ck_assert_int_eq(wf_pg_retryable(conn), 1);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "add_item"));
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "23505"));
    ck_assert_ptr_null(strstr(test_ctx->err.detail, ACME));
    ck_assert_int_eq(add(conn, ACME, "nut", "-1"), WF_EINVALID);
    ck_assert_str_eq(wf_pg_constraint(conn), "items_qty_check");
    ck_assert_int_eq(add(conn, ACME, NULL, "1"), WF_EINVALID);
    ck_assert_int_eq(add(conn, ACME, "nut", "Maria 5511"), WF_EINVALID);
    ck_assert_ptr_null(strstr(test_ctx->err.detail, "Maria"));
    ck_assert_ptr_null(wf_pg_constraint(conn));
    ck_assert_int_eq(wf_pg_exec(test_ctx, NULL, conn, &wrong, NULL), WF_EINTERNAL);
    /* None of this has harmed the connection, and a refused statement is not taken for prepared. */
    ck_assert_int_eq(wf_pg_exec(test_ctx, NULL, conn, &wrong, NULL), WF_EINTERNAL);
    ck_assert_str_eq(one(conn, &count_items, NULL), "1");
    ck_assert_int_eq(wf_pg_retryable(conn), 0);
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(null_empty_and_big_values_come_back_as_they_are)
{
    wf_pg_t *pg = app();
    wf_pg_conn_t *conn = acquire(pg);
    wf_pg_stmt_t echo = {"echo", "SELECT $1::text, $2::text, repeat('x', 5000000)", 2};
    wf_pg_stmt_t many = {"many", "SELECT n, repeat('y', 100) FROM generate_series(1, 50000) n", 0};
    wf_pg_param_t params[] = {NULL, ""};
    wf_pg_result_t *res;
    char *big = apr_pcalloc(test_pool, 3000001);

    ck_assert_int_eq(wf_pg_exec(test_ctx, &res, conn, &echo, params), WF_OK);
    ck_assert_ptr_null(wf_pg_cell(res, 0, 0));
    ck_assert_str_eq(wf_pg_cell(res, 0, 1), "");
    ck_assert_uint_eq(wf_pg_cell_len(res, 0, 2), 5000000);
    ck_assert_ptr_null(wf_pg_cell(res, 1, 0));
    ck_assert_ptr_null(wf_pg_cell(res, 0, 9));
    wf_pg_clear(res);
    wf_pg_clear(NULL);
    memset(big, 'z', 3000000);
    params[0] = big;
    ck_assert_int_eq(wf_pg_exec(test_ctx, &res, conn, &echo, params), WF_OK);
    ck_assert_uint_eq(wf_pg_cell_len(res, 0, 0), 3000000);
    ck_assert_int_eq(wf_pg_exec(test_ctx, &res, conn, &many, NULL), WF_OK);
    ck_assert_int_eq(wf_pg_rows(res), 50000);
    ck_assert_str_eq(wf_pg_cell(res, 49999, 0), "50000");
    wf_pg_release(pg, conn);
}
END_TEST

static void pipe_add(wf_pg_pipe_t *pipe, const char *company, const char *name, const char *qty)
{
    char copy[32];
    wf_pg_param_t params[] = {company, copy, qty};

    snprintf(copy, sizeof(copy), "%s", name);
    ck_assert_int_eq(wf_pg_pipe_add(test_ctx, pipe, &add_item, params), WF_OK);
    memset(copy, 'x', sizeof(copy));
}

START_TEST(a_pipe_is_one_round_trip_and_all_or_nothing)
{
    wf_pg_t *pg = superuser();
    wf_pg_conn_t *conn = acquire(pg);
    wf_pg_pipe_t *pipe = wf_pg_pipe(test_ctx, conn);
    uint64_t before = trips(pg);

    pipe_add(pipe, ACME, "a", "1");
    pipe_add(pipe, ACME, "b", "2");
    ck_assert_int_eq(wf_pg_pipe_add(test_ctx, pipe, &list_items, NULL), WF_OK);
    ck_assert_int_eq(wf_pg_pipe_run(test_ctx, pipe), WF_OK);
    ck_assert_uint_eq(trips(pg) - before, 1);
    ck_assert_int_eq(wf_pg_rows(wf_pg_pipe_result(pipe, 2)), 2);
    ck_assert_str_eq(wf_pg_cell(wf_pg_pipe_result(pipe, 2), 1, 0), "b");
    ck_assert_ptr_null(wf_pg_pipe_result(pipe, 3));

    pipe = wf_pg_pipe(test_ctx, conn);
    pipe_add(pipe, ACME, "c", "3");
    pipe_add(pipe, ACME, "a", "4");
    pipe_add(pipe, ACME, "d", "5");
    /* First used after the failure, so never prepared; it must work later. */
    ck_assert_int_eq(wf_pg_pipe_add(test_ctx, pipe, &count_items, NULL), WF_OK);
    ck_assert_int_eq(wf_pg_pipe_run(test_ctx, pipe), WF_ECONFLICT);
    ck_assert_ptr_null(wf_pg_pipe_result(pipe, 0));
    ck_assert_int_eq(wf_pg_retryable(conn), 1);
    ck_assert_str_eq(one(conn, &count_items, NULL), "2");

    pipe = wf_pg_pipe(test_ctx, conn);
    ck_assert_int_eq(wf_pg_pipe_run(test_ctx, pipe), WF_OK);
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(a_constraint_checked_at_commit_fails_the_call_with_nothing_done)
{
    wf_pg_t *pg = superuser();
    wf_pg_conn_t *conn = acquire(pg);
    wf_pg_stmt_t late = {"late", "INSERT INTO wflows.late (id) VALUES (1), (1)", 0};
    wf_pg_stmt_t count = {"count_late", "SELECT count(*) FROM wflows.late", 0};
    wf_pg_pipe_t *pipe = wf_pg_pipe(test_ctx, conn);

    ck_assert_int_eq(wf_pg_pipe_add(test_ctx, pipe, &late, NULL), WF_OK);
    ck_assert_int_eq(wf_pg_pipe_run(test_ctx, pipe), WF_ECONFLICT);
    ck_assert_str_eq(wf_pg_constraint(conn), "late_id_key");
    ck_assert_ptr_null(wf_pg_pipe_result(pipe, 0));
    ck_assert_str_eq(one(conn, &count, NULL), "0");
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(a_pipe_of_many_megabytes_neither_blocks_nor_breaks)
{
    wf_pg_t *pg = superuser();
    wf_pg_conn_t *conn = acquire(pg);
    wf_pg_stmt_t echo = {"echo1", "SELECT $1::text", 1};
    wf_pg_pipe_t *pipe = wf_pg_pipe(test_ctx, conn);
    char *big = apr_pcalloc(test_pool, 100001);
    wf_pg_param_t param = big;
    int i;

    memset(big, 'q', 100000);
    for (i = 0; i < 200; i++) {
        ck_assert_int_eq(wf_pg_pipe_add(test_ctx, pipe, &echo, &param), WF_OK);
    }
    ck_assert_int_eq(wf_pg_pipe_run(test_ctx, pipe), WF_OK);
    ck_assert_uint_eq(wf_pg_cell_len(wf_pg_pipe_result(pipe, 199), 0, 0), 100000);
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(a_failed_transaction_cannot_be_committed_and_an_open_one_is_rolled_back_at_release)
{
    wf_pg_t *pg = superuser();
    wf_pg_conn_t *conn = acquire(pg);
    const char *pid = one(conn, &backend_pid, NULL);

    ck_assert_int_eq(wf_pg_begin(test_ctx, conn, NULL), WF_OK);
    ck_assert_int_eq(add(conn, ACME, "a", "1"), WF_OK);
    ck_assert_int_eq(add(conn, ACME, "a", "1"), WF_ECONFLICT);
    ck_assert_int_eq(wf_pg_commit(test_ctx, conn), WF_EINTERNAL);
    ck_assert_int_eq(wf_pg_begin(test_ctx, conn, NULL), WF_OK);
    ck_assert_int_eq(add(conn, ACME, "a", "1"), WF_OK);
    wf_pg_release(pg, conn);
    conn = acquire(pg);
    ck_assert_str_eq(one(conn, &backend_pid, NULL), pid);
    ck_assert_str_eq(one(conn, &count_items, NULL), "0");
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(a_script_runs_as_it_stands_and_its_error_has_a_line)
{
    wf_pg_t *pg = superuser();
    wf_pg_conn_t *conn = acquire(pg);
    wf_pg_stmt_t exists = {"exists", "SELECT pg_catalog.to_regclass('wflows.scripted')", 0};

    ck_assert_int_eq(wf_pg_begin(test_ctx, conn, NULL), WF_OK);
    ck_assert_int_eq(wf_pg_exec_script(test_ctx, conn,
                                       "CREATE TABLE wflows.scripted (a int);\n"
                                       "INSERT INTO wflows.scripted VALUES (1);\n"
                                       "SELECT * FROM wflows.scripted;\n"),
                     WF_OK);
    ck_assert_str_eq(one(conn, &exists, NULL), "wflows.scripted");
    ck_assert_int_eq(wf_pg_exec_script(test_ctx, conn, "SELECT 1;\n-- é\nSELECT nonsense;\n"),
                     WF_EINTERNAL);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "line 3"));
    wf_pg_rollback(test_ctx, conn);
    ck_assert_ptr_null(one(conn, &exists, NULL));
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(wf_pg_exec_script(test_ctx, conn, "COPY wflows.items FROM STDIN"),
                     WF_EINVALID);
    wf_pg_release(pg, conn);
    conn = acquire(pg);
    ck_assert_str_eq(one(conn, &count_items, NULL), "0");
    wf_pg_release(pg, conn);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

typedef struct {
    wf_pg_t *pg;
    apr_pool_t *own;
    const char *company;
    int failures;
} worker_t;

static void *APR_THREAD_FUNC work(apr_thread_t *thread, void *data)
{
    worker_t *w = data;
    int i;

    for (i = 0; i < 60; i++) {
        apr_pool_t *pool;
        wf_ctx_t *ctx;
        wf_pg_conn_t *conn;
        wf_pg_result_t *res;
        wf_pg_param_t params[3];

        apr_pool_create(&pool, w->own);
        ctx = wf_ctx_make(pool, NULL);
        params[0] = w->company;
        params[1] = apr_psprintf(pool, "item %d", i);
        params[2] = "1";
        if (wf_pg_acquire(ctx, &conn, w->pg) != WF_OK ||
            wf_pg_exec_as(ctx, NULL, conn, w->company, &add_item, params) != WF_OK ||
            wf_pg_exec_as(ctx, &res, conn, w->company, &count_items, NULL) != WF_OK ||
            strtol(wf_pg_cell(res, 0, 0), NULL, 10) != i + 1) {
            w->failures++;
        }
        wf_pg_release(w->pg, conn);
        apr_pool_destroy(pool);
    }
    return NULL;
}

START_TEST(threads_share_the_connections_and_see_only_their_tenant)
{
    enum { THREADS = 8 };
    wf_pg_conf_t conf = conf_as("wflows_app");
    worker_t w[THREADS];
    apr_thread_t *threads[THREADS];
    wf_pg_t *pg;
    int i;

    conf.pool.acquire_timeout = MS(20000);
    pg = make(&conf);
    for (i = 0; i < THREADS; i++) {
        w[i] = (worker_t){.pg = pg};
        w[i].company = apr_psprintf(test_pool, "33333333-3333-4333-8333-33333333333%d", i);
        apr_pool_create(&w[i].own, NULL);
        ck_assert_int_eq(apr_thread_create(&threads[i], NULL, work, &w[i], w[i].own), APR_SUCCESS);
    }
    for (i = 0; i < THREADS; i++) {
        apr_status_t rv;

        apr_thread_join(&rv, threads[i]);
        ck_assert_int_eq(w[i].failures, 0);
        apr_pool_destroy(w[i].own);
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_connection_has_the_session_settings_we_rely_on);
    tcase_add_test(tc, a_role_that_row_level_security_does_not_bind_is_refused_with_advice);
    tcase_add_test(tc, a_statement_is_prepared_once_and_each_call_is_one_round_trip);
    tcase_add_test(tc, the_tenant_holds_for_its_transaction_only);
    tcase_add_test(tc, failures_are_told_apart_and_name_the_constraint);
    tcase_add_test(tc, null_empty_and_big_values_come_back_as_they_are);
    tcase_add_test(tc, a_pipe_is_one_round_trip_and_all_or_nothing);
    tcase_add_test(tc, a_constraint_checked_at_commit_fails_the_call_with_nothing_done);
    tcase_add_test(tc, a_pipe_of_many_megabytes_neither_blocks_nor_breaks);
    tcase_add_test(
        tc, a_failed_transaction_cannot_be_committed_and_an_open_one_is_rolled_back_at_release);
    tcase_add_test(tc, a_script_runs_as_it_stands_and_its_error_has_a_line);
    tcase_add_test(tc, threads_share_the_connections_and_see_only_their_tenant);
}

int main(void)
{
    return wf_test_pg_main("pg", add_tests);
}
