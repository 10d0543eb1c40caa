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
    OK(wf_flow_set_status(test_ctx, &store, company, id, "active", 0, &operator_root));
    OK(wf_flow_plan_load(test_ctx, &plan, &store, company, "f", 0));
    OK(wf_flow_set_status(test_ctx, &store, company, id, "inactive", 0, &operator_root));
    ck_assert_int_eq(wf_flow_plan_load(test_ctx, &plan, &store, company, "f", 0), WF_ENOTFOUND);
    ck_assert_int_eq(wf_flow_plan_load(test_ctx, &plan, &store, company, "f", 1), WF_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(last_audit(company), "flow.deactivated|"));
    FAILS(wf_flow_set_status(test_ctx, &store, company, id, "on", 0, &operator_root), WF_EINVALID,
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

static wf_step_t step_of(const char *company, const char *hash, const char *number,
                         const char *status, const char *record, const char *response)
{
    return (wf_step_t){.ctx = test_ctx,
                       .status = WF_EUNAVAIL,
                       .params = {company, SESSION, SESSION, SESSION, "flow", "1", hash, number, status,
                                  "SCREEN", record, "3.0", "1796000000000000", response}};
}

/* "outcome record" */
static const char *step(const char *company, const char *hash, const char *number,
                        const char *status, const char *record, const char *response)
{
    wf_step_t one = step_of(company, hash, number, status, record, response);
    wf_step_t *steps[] = {&one};

    wf_steps_commit(test_ctx, &store, steps, 1);
    return apr_psprintf(test_pool, "%s %s",
                        one.status == WF_OK          ? "committed"
                        : one.status == WF_ECONFLICT ? "conflict"
                                                     : wf_status_name(one.status),
                        one.stored ? one.stored : "-");
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

#define GROUP 6

START_TEST(a_group_holds_steps_of_several_companies_and_a_bad_one_fails_alone)
{
    const char *a = new_company("group-a"), *b = new_company("group-b"), *c = new_company("group-c");
    wf_step_t all[GROUP], *steps[GROUP];
    int i;

    ck_assert_str_eq(step(c, HASH, "1", "active", "{\"of\":\"c\"}", NULL), "committed -");
    all[0] = step_of(a, HASH, "1", "active", "{\"of\":\"a\"}", NULL);
    all[1] = step_of(b, HASH, "1", "active", "{\"of\":\"\\\\ {,}\"}", NULL);
    all[2] = step_of(c, HASH, "1", "active", "{}", NULL);
    all[3] = step_of(a, HASH, "2", "completed", "{\"of\":\"a2\"}", "{}");
    all[4] = step_of(b, HASH, "9", "active", "{}", NULL);
    all[5] = step_of(c, HASH, "2", "cancelled", "{\"of\":\"c2\"}", NULL);
    for (i = 0; i < GROUP; i++) {
        steps[i] = &all[i];
    }
    wf_steps_commit(test_ctx, &store, steps, GROUP);
    for (i = 0; i < GROUP; i++) {
        ck_assert_int_eq(all[i].status, i == 2 || i == 4 ? WF_ECONFLICT : WF_OK);
    }
    ck_assert_str_eq(all[2].stored, "{\"of\":\"c\"}");
    ck_assert_str_eq(all[4].stored, "{\"of\":\"\\\\ {,}\"}");
    ck_assert_str_eq(ask("select string_agg(concat_ws('|', status, step, record, expiry_slot), ' '"
                         " order by record) from wflows.flow_sessions where company_id in ('%s', '%s',"
                         " '%s')",
                         a, b, c),
                     "active|1|{\"of\":\"\\\\ {,}\"}|498888 completed|2|{\"of\":\"a2\"}"
                     " cancelled|2|{\"of\":\"c2\"}");

    all[0] = step_of(a, "00ff", "1", "active", "{}", NULL);
    all[1] = step_of(b, HASH, "2", "active", "{\"of\":\"b2\"}", NULL);
    all[2] = step_of(b, HASH, "3", "asleep", "{}", NULL);
    all[3] = step_of("", HASH, "1", "active", "{}", NULL);
    all[4] = step_of(NULL, HASH, "1", "active", "{}", NULL);
    all[5] = step_of(b, HASH, "3", "active", "{\"of\":\"b3\"}", NULL);
    wf_steps_commit(test_ctx, &store, steps, GROUP);
    ck_assert_int_eq(all[0].status, WF_EINVALID); /* no SHA-256 */
    ck_assert_int_eq(all[1].status, WF_OK);
    ck_assert_int_eq(all[2].status, WF_EINVALID); /* no such status */
    ck_assert_int_eq(all[3].status, WF_EINVALID);
    ck_assert_int_eq(all[4].status, WF_EDENIED);
    ck_assert_int_eq(all[5].status, WF_OK);
    ck_assert_str_eq(ask("select record from wflows.flow_sessions where company_id = '%s'", b),
                     "{\"of\":\"b3\"}");
}
END_TEST

/* Made where nothing is known of the tables, the statement's plan must still be the look-up of one row. */
START_TEST(a_step_reads_one_session_and_not_those_of_the_company)
{
    ck_assert_str_eq(ask("select string_agg(indexrelid::regclass::text, ',') from pg_catalog.pg_index"
                         " where indrelid = 'wflows.flow_sessions'::regclass and (indpred is not null"
                         " or indkey[0] = (select attnum from pg_catalog.pg_attribute where attrelid ="
                         " indrelid and attname = '%s'))",
                         "company_id"),
                     "wflows.flow_sessions_pkey");
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
    tcase_add_test(tc, a_group_holds_steps_of_several_companies_and_a_bad_one_fails_alone);
    tcase_add_test(tc, a_step_reads_one_session_and_not_those_of_the_company);
    tcase_add_test(tc, an_error_notification_is_kept_once);
}

int main(void)
{
    return wf_test_store_main("flow_store", add_tests);
}
