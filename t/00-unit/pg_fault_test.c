#include "wf_test_pg.h"

START_TEST(the_servers_own_timeout_ends_a_statement_and_keeps_the_connection)
{
    wf_pg_conf_t conf = conf_as("wflows_app");
    wf_pg_t *pg;
    wf_pg_conn_t *conn;
    const char *pid, *ms = "5000";
    apr_time_t started;

    conf.statement_timeout = MS(200);
    pg = make(&conf);
    conn = acquire(pg);
    pid = one(conn, &backend_pid, NULL);
    started = wf_monotonic();
    ck_assert_int_eq(wf_pg_exec(test_ctx, NULL, conn, &sleep_ms, &ms), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(3000));
    ck_assert_str_eq(one(conn, &backend_pid, NULL), pid);
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(the_deadline_ends_a_statement_and_the_connection_with_it)
{
    wf_pg_t *pg = app();
    wf_pg_conn_t *conn = acquire(pg);
    const char *pid = one(conn, &backend_pid, NULL), *ms = "1000";
    apr_time_t started = wf_monotonic();

    test_ctx->deadline = apr_time_now() + MS(100);
    ck_assert_int_eq(wf_pg_exec(test_ctx, NULL, conn, &sleep_ms, &ms), WF_EUNAVAIL);
    ck_assert_int_eq(wf_pg_retryable(conn), 0);
    ck_assert_int_lt(wf_monotonic() - started, MS(900));
    ck_assert_int_eq(wf_pg_exec(test_ctx, NULL, conn, &sleep_ms, &ms), WF_EUNAVAIL);
    ck_assert_int_eq(wf_pg_retryable(conn), 0);
    wf_pg_release(pg, conn);
    test_ctx->deadline = 0;
    conn = acquire(pg);
    ck_assert_str_ne(one(conn, &backend_pid, NULL), pid);
    wf_pg_release(pg, conn);
}
END_TEST

static void stop_backend(const char *pid, int sig)
{
    kill((pid_t)strtol(pid, NULL, 10), sig);
}

START_TEST(a_stalled_server_holds_no_thread_and_is_then_refused_at_once)
{
    wf_pg_conf_t conf = conf_as("wflows_app");
    wf_pg_t *pg;
    wf_pg_conn_t *conn, *idle;
    wf_pg_stats_t stats;
    const char *pid, *idle_pid;
    apr_time_t started;

    conf.statement_timeout = MS(300);
    conf.connect_timeout = MS(400);
    pg = make(&conf);
    conn = acquire(pg);
    idle = acquire(pg);
    pid = one(conn, &backend_pid, NULL);
    idle_pid = one(idle, &backend_pid, NULL);
    wf_pg_release(pg, idle);
    wf_test_server_signal(&server, SIGSTOP);
    stop_backend(pid, SIGSTOP);
    stop_backend(idle_pid, SIGSTOP);

    started = wf_monotonic();
    ck_assert_int_eq(wf_pg_begin(test_ctx, conn, ACME), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(3000));
    wf_pg_release(pg, conn);
    started = wf_monotonic();
    ck_assert_int_eq(wf_pg_acquire(test_ctx, &conn, pg), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(2000));
    started = wf_monotonic();
    ck_assert_int_eq(wf_pg_acquire(test_ctx, &conn, pg), WF_EUNAVAIL);
    ck_assert_int_lt(wf_monotonic() - started, MS(100));
    wf_pg_stats(&stats, pg);
    ck_assert_int_eq(stats.pool.breaker_open, 1);
    ck_assert_int_eq(stats.pool.open, 0);

    stop_backend(pid, SIGCONT);
    stop_backend(idle_pid, SIGCONT);
    wf_test_server_signal(&server, SIGCONT);
    apr_sleep(MS(310));
    wf_ctx_clear(test_ctx);
    conn = acquire(pg);
    ck_assert_str_eq(one(conn, &count_items, NULL), "0");
    wf_pg_release(pg, conn);
}
END_TEST

START_TEST(connections_that_died_while_idle_are_replaced_unseen)
{
    wf_pg_t *pg = app();
    wf_pg_t *boss = superuser();
    wf_pg_conn_t *a = acquire(pg), *b = acquire(pg), *killer;
    const char *pid_a = one(a, &backend_pid, NULL), *pid_b = one(b, &backend_pid, NULL);

    wf_pg_release(pg, a);
    wf_pg_release(pg, b);
    killer = acquire(boss);
    one(killer, &kill_backend, pid_a);
    one(killer, &kill_backend, pid_b);
    wf_pg_release(boss, killer);
    apr_sleep(MS(200));
    a = acquire(pg);
    ck_assert_str_eq(one(a, &count_items, NULL), "0");
    wf_pg_release(pg, a);

    wf_test_server_stop(&server, SIGINT);
    ck_assert_int_eq(wf_pg_acquire(test_ctx, &a, pg), WF_EUNAVAIL);
    ck_assert(wf_test_pg_launch(&server));
    apr_sleep(MS(310));
    wf_ctx_clear(test_ctx);
    a = acquire(pg);
    ck_assert_str_eq(one(a, &count_items, NULL), "0");
    wf_pg_release(pg, a);
}
END_TEST

START_TEST(a_connection_that_dies_on_loan_says_whether_the_work_may_be_repeated)
{
    wf_pg_t *pg = app(), *boss = superuser();
    wf_pg_conn_t *conn = acquire(pg), *killer = acquire(boss);

    one(killer, &kill_backend, one(conn, &backend_pid, NULL));
    apr_sleep(MS(200));
    ck_assert_int_eq(wf_pg_exec(test_ctx, NULL, conn, &count_items, NULL), WF_EUNAVAIL);
    ck_assert_int_eq(wf_pg_retryable(conn), 1);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "57P01"));
    wf_pg_release(pg, conn);

    conn = acquire(pg);
    ck_assert_int_eq(wf_pg_begin(test_ctx, conn, ACME), WF_OK);
    one(killer, &kill_backend, one(conn, &backend_pid, NULL));
    apr_sleep(MS(200));
    ck_assert_int_eq(wf_pg_commit(test_ctx, conn), WF_EUNAVAIL);
    ck_assert_int_eq(wf_pg_retryable(conn), 0);
    wf_pg_release(pg, conn);
    wf_pg_release(boss, killer);
}
END_TEST

START_TEST(a_full_server_leaves_us_what_we_have)
{
    wf_pg_conf_t conf = conf_as("wflows_app");
    wf_pg_t *pg;
    wf_pg_conn_t *conns[30], *none;
    wf_pg_stats_t stats;
    int n = 0;

    conf.pool.max = 30;
    conf.pool.acquire_timeout = MS(100);
    pg = make(&conf);
    while (n < 30 && wf_pg_acquire(test_ctx, &conns[n], pg) == WF_OK) {
        n++;
    }
    ck_assert_int_ge(n, 10);
    ck_assert_int_lt(n, 20);
    wf_pg_stats(&stats, pg);
    ck_assert_int_eq(stats.pool.breaker_open, 0);
    wf_pg_release(pg, conns[--n]);
    ck_assert_int_eq(wf_pg_acquire(test_ctx, &conns[n], pg), WF_OK);
    ck_assert_int_eq(wf_pg_acquire(test_ctx, &none, pg), WF_EUNAVAIL);
    for (; n >= 0; n--) {
        wf_pg_release(pg, conns[n]);
    }
}
END_TEST

START_TEST(a_refused_connection_tells_why_and_never_the_password)
{
    wf_pg_conf_t conf = conf_as("wflows_app");
    wf_pg_t *pg;
    wf_pg_conn_t *conn;
    static const char *const bad[] = {"", "nonsense", "host=x password=hunter2 nonsense",

                                      "postgresql://u:hun/ter2@h/db",
                                      "postgresql://u:p@hunter2@h/db"};
    size_t i;

    conf.conninfo = "host=/nowhere user=wflows_app password=hunter2";
    pg = make(&conf);
    ck_assert_int_eq(wf_pg_acquire(test_ctx, &conn, pg), WF_EUNAVAIL);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "/nowhere"));
    ck_assert_ptr_null(strstr(test_ctx->err.detail, "hunter2"));
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *fault = wf_pg_conninfo_check(test_pool, bad[i]);

        ck_assert_msg(fault != NULL, "%s", bad[i]);
        ck_assert_msg(!strstr(fault, "hunter2") && !strstr(fault, "ter2"), "%s", fault);
        conf.conninfo = bad[i];
        wf_ctx_clear(test_ctx);
        ck_assert_int_eq(wf_pg_make(test_ctx, &pg, test_pool, &conf), WF_EINVALID);
    }
    ck_assert_ptr_null(wf_pg_conninfo_check(test_pool, "postgresql://u:p%40w@h:5432/db"));
    ck_assert_ptr_null(wf_pg_conninfo_check(test_pool, "host=a,b port=1,2 dbname=x"));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, the_servers_own_timeout_ends_a_statement_and_keeps_the_connection);
    tcase_add_test(tc, the_deadline_ends_a_statement_and_the_connection_with_it);
    tcase_add_test(tc, a_stalled_server_holds_no_thread_and_is_then_refused_at_once);
    tcase_add_test(tc, connections_that_died_while_idle_are_replaced_unseen);
    tcase_add_test(tc, a_connection_that_dies_on_loan_says_whether_the_work_may_be_repeated);
    tcase_add_test(tc, a_full_server_leaves_us_what_we_have);
    tcase_add_test(tc, a_refused_connection_tells_why_and_never_the_password);
}

int main(void)
{
    return wf_test_pg_main("pg_fault", add_tests);
}
