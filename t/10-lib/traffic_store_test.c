/* Lists of flows and of what they move, and the flows' own store, against a real PostgreSQL. */
#include "wf_test_store.h"

#include "store/wf_list.h"

#define PLAN "wfplan1\n"

static const wf_flow_version_t first_version = {
    .flow_json = "{\"version\": \"7.0\"}", .plan = PLAN, .activate = 1};

static const char *new_flow(const char *company, const char *name)
{
    const char *id;

    OK(wf_flow_create(test_ctx, &id, &store, company,
                      json(apr_psprintf(test_pool, "{\"name\": \"%s\"}", name)), &first_version,
                      &operator_root));
    return id;
}

static wf_json_t *flow_of(const char *company, const char *id)
{
    wf_json_t *doc;

    OK(wf_record_find(test_ctx, &doc, &store, company, &wf_record_flow, id, NULL));
    return doc;
}

/* The ids of all rows, page by page of one; *pages says how many. */
static const char *walk(int *pages, const char *company, const wf_list_t *list, int filter,
                        const char *value, const char *sort)
{
    wf_list_query_t query = {.limit = "1", .sort = sort};
    const char *text, *ids = "";
    wf_json_t *page;
    size_t len;

    *pages = 0;
    if (filter >= 0) {
        query.filters[filter] = value;
    }
    do {
        OK(wf_list_page(test_ctx, &text, &len, &store, company, list, &query));
        page = json(text);
        if (wf_json_len(wf_json_get(page, "data")) > 0) {
            ids = apr_pstrcat(test_pool, ids, *ids ? " " : "",
                              wf_json_get_str(wf_json_at(wf_json_get(page, "data"), 0), "id", "-"),
                              NULL);
        }
        query.cursor = wf_json_get_str(page, "next_cursor", NULL);
        (*pages)++;
    } while (query.cursor && *pages < 50);
    return ids;
}

/* Three sessions, a second apart. */
static void fill(const char *company, const char *account, const char *flow)
{
    OK(script_as(
        superuser,
        apr_psprintf(test_pool,
                     "insert into wflows.flow_sessions (company_id, id, account_id, flow_id, flow_name,"
                     " flow_version, token_hash, step, record, started_at, expires_at)"
                     " select '%s', overlay(wflows.uuid_from((1718000000 + i) * 1000000::bigint)::text"
                     " placing right('%s', 12) from 25)::uuid, '%s', '%s', 'f', 1,"
                     " sha256(convert_to('%s' || i, 'UTF8')), 1, '{\"answers\": {\"n\": ' || i ||"
                     " '}, \"history\": [\"A\"], \"reply\": {}}', to_timestamp(1718000000 + i), now()"
                     " from generate_series(1, 3) i",
                     company, company, account, flow, company)));
}

START_TEST(versions_are_added_and_activated)
{
    const char *company = new_company("versions"), *id = new_flow(company, "f");
    wf_flow_version_t version = first_version;

    version.after = 1;
    version.activate = 0;
    OK(wf_flow_update(test_ctx, &store, company, id, json("{\"display_name\": \"Shown\"}"), &version,
                      &operator_root));
    ck_assert_int_eq(wf_json_get_int(flow_of(company, id), "latest_version", 0), 2);
    ck_assert_int_eq(wf_json_get_int(flow_of(company, id), "active_version", 0), 1);
    ck_assert_str_eq(wf_json_get_str(flow_of(company, id), "display_name", "-"), "Shown");
    FAILS(wf_flow_update(test_ctx, &store, company, id, json("{}"), &version, &operator_root),
          WF_ECONFLICT, "the flow has got another version meanwhile: read it again");
    OK(wf_flow_set_status(test_ctx, &store, company, id, "active", 2, &operator_root));
    ck_assert_int_eq(wf_json_get_int(flow_of(company, id), "active_version", 0), 2);
    FAILS(wf_flow_set_status(test_ctx, &store, company, id, "active", 3, &operator_root), WF_EINVALID,
          "version: one of the flow's versions, 1 to 2, expected");
    FAILS(wf_flow_update(test_ctx, &store, company, id, json("{\"name\": \"g\"}"), NULL, &operator_root),
          WF_EINVALID, "name: cannot be changed: messages that were sent name the flow so");
}
END_TEST

START_TEST(what_the_caller_found_wrong_is_told_with_the_rest)
{
    const char *company = new_company("faults"), *id;

    wf_fault_add(test_ctx, "/flow_json/screens", "no good");
    ck_assert_int_eq(wf_flow_create(test_ctx, &id, &store, company, json("{\"name\": \"a b\", \"x\": 1}"),
                                    &first_version, &operator_root),
                     WF_EINVALID);
    ck_assert_int_eq(test_ctx->err.faults->nelts, 3);
    wf_ctx_clear(test_ctx);
    ck_assert_str_eq(ask("select count(*) from wflows.flows where company_id = '%s'", company), "0");
}
END_TEST

START_TEST(tokens_are_noted_without_being_told)
{
    const char *company = new_company("noted"), *account = new_account(company, "a", "111222333"),
               *id = new_flow(company, "f");

    OK(wf_flow_note_tokens(test_ctx, &store, company, id, account, 7, &operator_root));
    ck_assert_str_eq(ask("select metadata ->> 'count' from wflows.audit_logs where company_id = '%s'"
                         " and action = 'flow.tokens_issued' and resource_id = '%s'",
                         company, id),
                     "7");
    ck_assert_str_eq(ask("select count(*) from wflows.outbox where company_id = '%s'"
                         " and event_type like 'flow.tokens%%'",
                         company),
                     "0");
}
END_TEST

START_TEST(pages_hold_each_row_once_and_of_one_company_only)
{
    const char *company = new_company("pages"), *other = new_company("pages2"),
               *account = new_account(company, "a", "111222334"),
               *theirs = new_account(other, "a", "111222335"), *flow = new_flow(company, "f"),
               *their_flow = new_flow(other, "f"), *newest, *oldest;
    int pages;

    fill(company, account, flow);
    fill(other, theirs, their_flow);
    newest = walk(&pages, company, &wf_list_sessions, -1, NULL, "-started_at");
    ck_assert_int_eq(pages, 3);
    ck_assert_int_eq((int)strlen(newest), 3 * WF_UUID_LEN + 2);
    oldest = walk(&pages, company, &wf_list_sessions, -1, NULL, "started_at");
    ck_assert_str_ne(newest, oldest);
    ck_assert_str_eq(walk(&pages, company, &wf_list_flow_sessions, 0, flow, "started_at"), oldest);
    ck_assert_str_eq(walk(&pages, company, &wf_list_flow_sessions, 0, their_flow, NULL), "");
    ck_assert_str_eq(walk(&pages, company, &wf_list_sessions, 5,
                          apr_psprintf(test_pool, "{%s}", theirs), NULL),
                     "");
    ck_assert_str_eq(walk(&pages, company, &wf_list_sessions, 5,
                          apr_psprintf(test_pool, "{%s}", account), NULL),
                     newest);
    ck_assert_str_eq(walk(&pages, company, &wf_list_sessions, 5, "{}", NULL), "");
    ck_assert_str_eq(walk(&pages, company, &wf_list_sessions, 3, "2024-06-10T06:13:22Z", "started_at"),
                     oldest + WF_UUID_LEN + 1);
}
END_TEST

START_TEST(a_record_is_of_its_company_and_account)
{
    const char *company = new_company("records"), *other = new_company("records2"),
               *account = new_account(company, "a", "111222336"), *flow = new_flow(company, "f"), *id;
    wf_json_t *doc;
    int pages;

    fill(company, account, flow);
    id = apr_pstrndup(test_pool, walk(&pages, company, &wf_list_sessions, -1, NULL, "started_at"),
                      WF_UUID_LEN);
    OK(wf_record_find(test_ctx, &doc, &store, company, &wf_record_session, id, NULL));
    ck_assert_int_eq(wf_json_get_int(wf_json_get(doc, "answers"), "n", 0), 1);
    ck_assert_str_eq(wf_json_text(test_pool, wf_json_get(doc, "screens"), NULL), "[\"A\"]");
    FAILS(wf_record_find(test_ctx, &doc, &store, other, &wf_record_session, id, NULL), WF_ENOTFOUND,
          "no such session");
    FAILS(wf_record_find(test_ctx, &doc, &store, company, &wf_record_session, id, "{}"), WF_ENOTFOUND,
          "no such session");
    FAILS(wf_record_find(test_ctx, &doc, &store, company, &wf_record_session, "x", NULL), WF_ENOTFOUND,
          "no such session");
}
END_TEST

START_TEST(ids_of_the_database_are_in_the_order_of_time)
{
    ck_assert_str_eq(ask("with u as (select wflows.uuid_v7() as id, i from generate_series(1, 3) i)"
                         " select bool_and(id::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]'"
                         " and id >= wflows.uuid_from(wflows.time_us(now()) - 1000000)"
                         " and id < wflows.uuid_from(wflows.time_us(now()) + 60000000)) from u"),
                     "t");
    ck_assert_str_eq(ask("select wflows.uuid_from(null) = wflows.uuid_from(-5)"
                         " and wflows.uuid_from(0) = '00000000-0000-0000-0000-000000000000'"),
                     "t");
}
END_TEST

START_TEST(counts_of_companies_are_added_up)
{
    const wf_tally_row_t rows[] = {{"tallied", "0190163d-8694-739b-aea5-966c26f8ad91", "x_total{a=\"1\"", 2},
                                   {"tallied", "0190163d-8694-739b-aea5-966c26f8ad91", "x_total{a=\"1\"", 3}};
    apr_table_t *figures;

    OK(wf_tally_save(test_ctx, &store, rows, 2));
    OK(wf_tally_load(test_ctx, &figures, &store, "tallied", rows[0].company_id));
    ck_assert_str_eq(apr_table_get(figures, "x_total{a=\"1\""), "5");
    OK(wf_tally_load(test_ctx, &figures, &store, "tallied", "0190163d-8694-739b-aea5-966c26f8ad92"));
    ck_assert(apr_is_empty_table(figures));
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, versions_are_added_and_activated);
    tcase_add_test(tc, what_the_caller_found_wrong_is_told_with_the_rest);
    tcase_add_test(tc, tokens_are_noted_without_being_told);
    tcase_add_test(tc, pages_hold_each_row_once_and_of_one_company_only);
    tcase_add_test(tc, a_record_is_of_its_company_and_account);
    tcase_add_test(tc, ids_of_the_database_are_in_the_order_of_time);
    tcase_add_test(tc, counts_of_companies_are_added_up);
}

int main(void)
{
    return wf_test_store_main("traffic store", add_tests);
}
