#include "wf_test_store.h"

/* ---- flows ------------------------------------------------------------------------------ */

START_TEST(saving_a_flow_again_adds_a_version_and_old_ones_stay)
{
    const char *company = new_company("versions"), *id, *again, *json_text, *logic;
    wf_flow_new_t f = flow_named("Book.1", "plan one");
    wf_flow_plan_t plan;
    wf_json_t *doc;
    int version;

    f.logic = "{\"static\": {}}";
    f.display_name = "Booking";
    OK(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 0, &operator_root));
    ck_assert_int_eq(version, 1);
    ck_assert_ptr_nonnull(strstr(last_audit(company), "flow.created|"));
    f = flow_named("Book.1", "plan two");
    OK(wf_flow_save(test_ctx, &again, &version, &store, company, &f, 0, &operator_root));
    ck_assert_str_eq(again, id);
    ck_assert_int_eq(version, 2);
    f.plan = "plan three";
    f.activate = 0;
    OK(wf_flow_save(test_ctx, &again, &version, &store, company, &f, 0, &operator_root));
    ck_assert_ptr_nonnull(strstr(last_audit(company), "flow.version_added|"));

    OK(wf_flow_plan_load(test_ctx, &plan, &store, company, "Book.1", 0));
    ck_assert_int_eq(plan.version, 2);
    ck_assert_str_eq(plan.plan, "plan two");
    ck_assert_int_eq((int)plan.plan_len, 8);
    ck_assert_str_eq(plan.flow_id, id);
    OK(wf_flow_plan_load(test_ctx, &plan, &store, company, "Book.1", 1));
    ck_assert_str_eq(plan.plan, "plan one");
    ck_assert_int_eq(wf_flow_plan_load(test_ctx, &plan, &store, company, "Book.1", 4),
                     WF_ENOTFOUND);
    ck_assert_int_eq(wf_flow_plan_load(test_ctx, &plan, &store, company, "Other", 0), WF_ENOTFOUND);
    ck_assert_int_eq(wf_flow_plan_load(test_ctx, &plan, &store, company, "no/name", 0),
                     WF_ENOTFOUND);
    OK(wf_flow_source_load(test_ctx, &json_text, &logic, &store, company, "Book.1", 1));
    ck_assert_str_eq(json_text, "{\"version\": \"7.0\"}");
    ck_assert_str_eq(logic, "{\"static\": {}}");
    OK(wf_flow_source_load(test_ctx, &json_text, &logic, &store, company, "Book.1", 0));
    ck_assert_ptr_null(logic);
    OK(wf_flow_find(test_ctx, &doc, &store, company, "Book.1"));
    ck_assert_str_eq(wf_json_get_str(doc, "display_name", ""), "Booking");
    ck_assert_int_eq(wf_json_get_int(doc, "latest_version", 0), 3);
    ck_assert_int_eq((int)wf_json_len(wf_json_get(doc, "versions")), 3);
}
END_TEST

START_TEST(an_inactive_or_removed_flow_has_no_plan)
{
    const char *company = new_company("switching"), *id, *name;
    wf_flow_new_t f = flow_named("f", "plan");
    wf_flow_plan_t plan;
    wf_json_t *doc, *list;
    int version;

    f.activate = 0;
    OK(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 0, &operator_root));
    ck_assert_int_eq(wf_flow_plan_load(test_ctx, &plan, &store, company, "f", 0), WF_ENOTFOUND);
    OK(wf_flow_set_status(test_ctx, &store, company, id, "active", &operator_root));
    OK(wf_flow_plan_load(test_ctx, &plan, &store, company, "f", 0));
    OK(wf_flow_set_status(test_ctx, &store, company, id, "inactive", &operator_root));
    ck_assert_int_eq(wf_flow_plan_load(test_ctx, &plan, &store, company, "f", 0), WF_ENOTFOUND);
    ck_assert_int_eq(wf_flow_plan_load(test_ctx, &plan, &store, company, "f", 1), WF_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(last_audit(company), "flow.deactivated|"));
    FAILS(wf_flow_set_status(test_ctx, &store, company, id, "on", &operator_root), WF_EINVALID,
          "status: active or inactive expected");
    OK(wf_flow_name_by_id(test_ctx, &name, &store, company, id));
    ck_assert_str_eq(name, "f");

    OK(wf_flow_remove(test_ctx, &store, company, id, &operator_root));
    ck_assert_ptr_nonnull(strstr(last_audit(company), "flow.deleted|"));
    FAILS(wf_flow_find(test_ctx, &doc, &store, company, "f"), WF_ENOTFOUND, "no such flow");
    FAILS(wf_flow_remove(test_ctx, &store, company, id, &operator_root), WF_ENOTFOUND,
          "no such flow");
    ck_assert_int_eq(wf_flow_name_by_id(test_ctx, &name, &store, company, id), WF_ENOTFOUND);
    f = flow_named("f", "another");
    OK(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 0, &operator_root));
    ck_assert_int_eq(version, 1);
    OK(wf_flow_list(test_ctx, &list, &store, company));
    ck_assert_int_eq((int)wf_json_len(list), 1);
}
END_TEST

START_TEST(flows_are_limited_and_belong_to_an_account_of_their_company)
{
    const char *company = new_company("flowlim"), *other = new_company("flowlim-b"), *id;
    const char *foreign = new_account(other, "B", "5511000000016");
    const char *own = new_account(company, "A", "5511000000017");
    wf_flow_new_t f = flow_named("one", "plan");
    wf_flow_plan_t plan;
    wf_json_t *doc;
    int version;

    f.account_id = foreign;
    FAILS(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 0, &operator_root),
          WF_EINVALID, "account_id: no such account");
    ck_assert_ptr_null(id);
    f.account_id = own;
    OK(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 0, &operator_root));
    OK(wf_flow_find(test_ctx, &doc, &store, company, id));
    ck_assert_str_eq(wf_json_get_str(doc, "account_id", ""), own);
    ck_assert_int_eq(wf_flow_plan_load(test_ctx, &plan, &store, other, "one", 0), WF_ENOTFOUND);
    f = flow_named("two", "plan");
    FAILS(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 1, &operator_root), WF_ELIMIT,
          "flows: the limit of 1 is reached");
    f = flow_named("one", "newer");
    OK(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 1, &operator_root));
    OK(wf_flow_find(test_ctx, &doc, &store, company, id));
    ck_assert_str_eq(wf_json_get_str(doc, "account_id", ""), own);
    f = flow_named("a/b", "plan");
    FAILS(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 0, &operator_root),
          WF_EINVALID, "name: 1 to 64 letters, digits, '_', '-' or '.' expected");
}
END_TEST

/* ---- sessions: the functions of schema/0006 --------------------------------------------- */

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SESSION "00000000-0000-7000-8000-00000000f001"

/* "outcome record" */
static const char *step(const char *company, const char *hash, const char *number,
                        const char *status, const char *record, const char *response)
{
    const wf_pg_param_t params[] = {company,
                                    SESSION,
                                    SESSION,
                                    SESSION,
                                    "flow",
                                    "1",
                                    hash,
                                    number,
                                    status,
                                    "SCREEN",
                                    record,
                                    "3.0",
                                    "1796000000000000",
                                    strcmp(status, "active") ? "t" : "f",
                                    response,
                                    NULL};
    wf_pg_result_t *res;
    wf_pg_conn_t *conn;
    const char *out;

    OK(wf_pg_acquire(test_ctx, &conn, store.pg));
    OK(wf_pg_exec(test_ctx, &res, conn, wf_sql(WF_SQL_SESSION_STEP), params));
    out = apr_psprintf(test_pool, "%s %s", wf_pg_cell(res, 0, 0),
                       wf_pg_cell(res, 0, 1) ? wf_pg_cell(res, 0, 1) : "-");
    wf_pg_release(store.pg, conn);
    return out;
}

START_TEST(a_session_step_is_committed_once_and_a_late_one_gets_the_stored_record)
{
    const char *company = new_company("steps");
    const wf_pg_param_t load[] = {company, HASH};
    wf_pg_result_t *res;
    wf_pg_conn_t *conn;

    ck_assert_str_eq(step(company, HASH, "2", "active", "{}", NULL), "conflict -");
    ck_assert_str_eq(step(company, HASH, "1", "active", "{\"b\":\"\\u0000\", \"a\":1}", NULL),
                     "committed -");
    ck_assert_str_eq(step(company, HASH, "1", "active", "{}", NULL),
                     "conflict {\"b\":\"\\u0000\", \"a\":1}");
    ck_assert_str_eq(step(company, HASH, "2", "active", "{\"n\":2}", NULL), "committed -");
    ck_assert_str_eq(step(company, HASH, "2", "active", "{\"n\":9}", NULL), "conflict {\"n\":2}");
    ck_assert_str_eq(step(company, HASH, "3", "completed", "{\"n\":3}", "{\"x\":\"y\"}"),
                     "committed -");
    ck_assert_str_eq(step(company, HASH, "4", "active", "{\"n\":4}", "{}"), "conflict {\"n\":3}");
    ck_assert_str_eq(ask("select concat_ws('|', status, step, screen, completed_at is not null,"
                         " wflows.time_us(expires_at)) from wflows.flow_sessions"
                         " where company_id = '%s'",
                         company),
                     "completed|3|SCREEN|t|1796000000000000");
    ck_assert_str_eq(
        ask("select string_agg(concat_ws('|', session_id, source, response::text), ';')"
            " from wflows.flow_responses where company_id = '%s'",
            company),
        SESSION "|endpoint|{\"x\":\"y\"}");
    OK(wf_pg_acquire(test_ctx, &conn, store.pg));
    OK(wf_pg_exec(test_ctx, &res, conn, wf_sql(WF_SQL_SESSION_LOAD), load));
    ck_assert_str_eq(wf_pg_cell(res, 0, 0), "{\"n\":3}");
    wf_pg_release(store.pg, conn);
}
END_TEST

START_TEST(one_pipeline_may_hold_steps_of_several_companies)
{
    const char *companies[] = {new_company("pipe-a"), new_company("pipe-b"), new_company("pipe-c")};
    wf_pg_conn_t *conn;
    wf_pg_pipe_t *pipe;
    int i;

    OK(wf_pg_acquire(test_ctx, &conn, store.pg));
    pipe = wf_pg_pipe(test_ctx, conn);
    for (i = 0; i < 3; i++) {
        const wf_pg_param_t params[] = {companies[i],
                                        SESSION,
                                        SESSION,
                                        SESSION,
                                        "flow",
                                        "1",
                                        HASH,
                                        "1",
                                        "active",
                                        "S",
                                        "{}",
                                        "3.0",
                                        "1796000000000000",
                                        "f",
                                        NULL,
                                        NULL};
        OK(wf_pg_pipe_add(test_ctx, pipe, wf_sql(WF_SQL_SESSION_STEP), params));
    }
    OK(wf_pg_pipe_run(test_ctx, pipe));
    for (i = 0; i < 3; i++) {
        ck_assert_str_eq(wf_pg_cell(wf_pg_pipe_result(pipe, i), 0, 0), "committed");
    }
    wf_pg_release(store.pg, conn);
    ck_assert_str_eq(ask("select count(distinct company_id) from wflows.flow_sessions where"
                         " company_id in ('%s', '%s', '%s')",
                         companies[0], companies[1], companies[2]),
                     "3");
}
END_TEST

START_TEST(an_error_notification_is_kept_once)
{
    const char *company = new_company("errors");
    const wf_pg_param_t params[] = {company, SESSION, "digest", "{\"error\":\"\"}"};
    wf_pg_result_t *res;
    wf_pg_conn_t *conn;

    OK(wf_pg_acquire(test_ctx, &conn, store.pg));
    OK(wf_pg_exec(test_ctx, &res, conn, wf_sql(WF_SQL_FLOW_ERROR_EVENT), params));
    ck_assert_str_eq(wf_pg_cell(res, 0, 0), "t");
    OK(wf_pg_exec(test_ctx, &res, conn, wf_sql(WF_SQL_FLOW_ERROR_EVENT), params));
    ck_assert_str_eq(wf_pg_cell(res, 0, 0), "f");
    wf_pg_release(store.pg, conn);
    ck_assert_str_eq(ask("select concat_ws('|', event_type, dedup_key, payload::text) from"
                         " wflows.webhook_events where company_id = '%s'",
                         company),
                     "flow_error_notification|digest|{\"error\":\"\"}");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, saving_a_flow_again_adds_a_version_and_old_ones_stay);
    tcase_add_test(tc, an_inactive_or_removed_flow_has_no_plan);
    tcase_add_test(tc, flows_are_limited_and_belong_to_an_account_of_their_company);
    tcase_add_test(tc, a_session_step_is_committed_once_and_a_late_one_gets_the_stored_record);
    tcase_add_test(tc, one_pipeline_may_hold_steps_of_several_companies);
    tcase_add_test(tc, an_error_notification_is_kept_once);
}

int main(void)
{
    return wf_test_store_main("flow_store", add_tests);
}
