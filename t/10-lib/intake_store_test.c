#include "wf_test_store.h"

/* wf_intake_save: the events of one POST and all that follows from them are one transaction. */

#define WABA "102033044055066"

static const char *message(const char *id, const char *phone)
{
    return apr_psprintf(test_pool,
                        "{\"id\":\"" WABA "\",\"changes\":[{\"field\":\"messages\",\"value\":{"
                        "\"metadata\":{\"phone_number_id\":\"%s\"},\"messages\":[{\"from\":\"32470000001\","
                        "\"id\":\"%s\",\"timestamp\":\"1767225600\",\"type\":\"text\","
                        "\"text\":{\"body\":\"hi\"}}]}}]}",
                        phone, id);
}

static const char *reply(const char *id, const char *phone, const char *token, const char *answer)
{
    return apr_psprintf(test_pool,
                        "{\"id\":\"" WABA "\",\"changes\":[{\"field\":\"messages\",\"value\":{"
                        "\"metadata\":{\"phone_number_id\":\"%s\"},\"messages\":[{\"from\":\"32470000001\","
                        "\"id\":\"%s\",\"timestamp\":\"1767225700\",\"type\":\"interactive\","
                        "\"interactive\":{\"type\":\"nfm_reply\",\"nfm_reply\":{\"name\":\"flow\","
                        "\"body\":\"Sent\",\"response_json\":\"{\\\"flow_token\\\":\\\"%s\\\","
                        "\\\"answer\\\":\\\"%s\\\"}\"}}}]}}]}",
                        phone, id, token, answer);
}

/* The rows of a POST with these entries, NULL at the end. */
static wf_intake_row_t *rows_of(int *count, const char *const *entries)
{
    const char *body = "{\"object\":\"whatsapp_business_account\",\"entry\":[";
    apr_array_header_t *events;
    wf_intake_row_t *rows;
    int i;

    for (i = 0; entries[i]; i++) {
        body = apr_pstrcat(test_pool, body, i ? "," : "", entries[i], NULL);
    }
    body = apr_pstrcat(test_pool, body, "]}", NULL);
    OK(wf_wa_events_parse(test_ctx, &events, body, strlen(body)));
    rows = apr_pcalloc(test_pool, (size_t)events->nelts * sizeof(*rows));
    for (i = 0; i < events->nelts; i++) {
        const wf_wa_event_t *e = &APR_ARRAY_IDX(events, i, wf_wa_event_t);

        rows[i].event = e;
        rows[i].token_hash =
            e->flow_token ? wf_sha256_hex(test_pool, e->flow_token, strlen(e->flow_token)) : NULL;
    }
    *count = events->nelts;
    return rows;
}

#define ROWS(count, ...) rows_of(count, (const char *const[]){__VA_ARGS__, NULL})

static const char *new_receiver(const char *company, const char *name, const char *phone)
{
    const char *id = new_account(company, name, phone);

    OK(script_as(superuser, apr_psprintf(test_pool,
                                         "update wflows.whatsapp_accounts set callback_webhook_url ="
                                         " 'https://x.example/', callback_event_types = '{*}'"
                                         " where id = '%s'",
                                         id)));
    return id;
}

static void new_session(const char *company, const char *account, const char *token)
{
    OK(script_as(superuser,
                 apr_psprintf(test_pool,
                              "insert into wflows.flow_sessions (company_id, id, account_id, flow_id,"
                              " flow_name, flow_version, token_hash, status, step, record, expires_at,"
                              " expiry_slot, last_step_at) values ('%s', gen_random_uuid(), '%s',"
                              " gen_random_uuid(), 'survey', 1, sha256('%s'), 'active', 1,"
                              " '{\"status\":\"active\",\"completed_at\":0}', now() + interval '1 day',"
                              " extract(epoch from now())::bigint / 3600 + 24, now())",
                              company, account, token)));
}

/* Everything that a POST may leave: events, responses, callbacks, counters, finished sessions. */
static const char *left(const char *company)
{
    return ask("select concat_ws(' ', (select count(*) from wflows.webhook_events where company_id = c),"
               " (select count(*) from wflows.flow_responses where company_id = c),"
               " (select count(*) from wflows.outbox where company_id = c and consumer = 'callback'),"
               " (select coalesce(sum(n), 0) from wflows.usage_counters where company_id = c and metric ="
               " 'webhook_event') + (select count(*) from wflows.counts_pending where company_id = c),"
               " (select count(*) from wflows.flow_sessions where company_id = c and status = 'completed'))"
               " from (select '%s'::uuid as c) x",
               company);
}

START_TEST(a_post_is_stored_once_however_often_it_comes)
{
    const char *company = new_company("once"), *account = new_receiver(company, "main", "551100000001");
    apr_array_header_t *completed;
    wf_intake_row_t *rows;
    int count;

    new_session(company, account, "tok-once");
    rows = ROWS(&count, message("wamid.1", "551100000001"),
                reply("wamid.2", "551100000001", "tok-once", "yes"));
    ck_assert_int_eq(count, 2);
    OK(wf_intake_save(test_ctx, &completed, &store, company, NULL, rows, count));
    ck_assert_int_eq(rows[0].outcome, WF_INTAKE_STORED);
    ck_assert_int_eq(rows[1].outcome, WF_INTAKE_STORED);
    ck_assert_int_eq(completed->nelts, 1);
    ck_assert_str_eq(APR_ARRAY_IDX(completed, 0, const char *), rows[1].token_hash);
    ck_assert_str_eq(left(company), "2 1 2 2 1");
    OK(wf_intake_save(test_ctx, &completed, &store, company, NULL, rows, count));
    ck_assert_int_eq(rows[0].outcome, WF_INTAKE_DUPLICATE);
    ck_assert_int_eq(rows[1].outcome, WF_INTAKE_DUPLICATE);
    ck_assert_int_eq(completed->nelts, 0);
    ck_assert_str_eq(left(company), "2 1 2 2 1");
    /* One that is known and one that is new. */
    rows = ROWS(&count, message("wamid.1", "551100000001"), message("wamid.3", "551100000001"));
    OK(wf_intake_save(test_ctx, &completed, &store, company, NULL, rows, count));
    ck_assert_int_eq(rows[0].outcome, WF_INTAKE_DUPLICATE);
    ck_assert_int_eq(rows[1].outcome, WF_INTAKE_STORED);
    ck_assert_str_eq(left(company), "3 1 3 3 1");
}
END_TEST

START_TEST(what_is_of_no_number_of_the_company_is_stored_as_unrouted)
{
    const char *company = new_company("unrouted"), *other = new_company("neighbour");
    const char *named = new_receiver(company, "main", "551100000002");
    apr_array_header_t *completed;
    wf_intake_row_t *rows;
    int count;

    new_receiver(other, "main", "551100000003");
    rows = ROWS(&count, message("wamid.4", "551100000003"), message("wamid.5", "551100000002"));
    OK(wf_intake_save(test_ctx, &completed, &store, company, NULL, rows, count));
    ck_assert_int_eq(rows[0].outcome, WF_INTAKE_UNROUTED);
    ck_assert_int_eq(rows[1].outcome, WF_INTAKE_STORED);
    ck_assert_str_eq(ask("select string_agg(dedup_key || ':' || status, ' ' order by dedup_key) from"
                         " wflows.webhook_events where company_id = '%s'",
                         company),
                     "message:wamid.4:unrouted message:wamid.5:processed");
    ck_assert_str_eq(left(other), "0 0 0 0 0");
    /* The path names an account: a number that the company does not have is that account's. */
    rows = ROWS(&count, message("wamid.6", "551100000003"));
    OK(wf_intake_save(test_ctx, &completed, &store, company, named, rows, count));
    ck_assert_int_eq(rows[0].outcome, WF_INTAKE_STORED);
    ck_assert_str_eq(ask("select account_id from wflows.webhook_events where company_id = '%s' and"
                         " dedup_key = 'message:wamid.6'",
                         company),
                     named);
}
END_TEST

START_TEST(a_post_of_which_one_event_cannot_be_stored_leaves_nothing)
{
    const char *company = new_company("half"), *account = new_receiver(company, "main", "551100000004");
    apr_array_header_t *completed;
    wf_intake_row_t *rows;
    wf_wa_event_t bad;
    int count;

    new_session(company, account, "tok-half");
    rows = ROWS(&count, message("wamid.7", "551100000004"),
                reply("wamid.8", "551100000004", "tok-half", "yes"), message("wamid.9", "551100000004"));
    bad = *rows[2].event;
    bad.event_type = "No Type";
    rows[2].event = &bad;
    ck_assert_int_eq(wf_intake_save(test_ctx, &completed, &store, company, NULL, rows, count),
                     WF_EINVALID);
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(completed->nelts, 0);
    ck_assert_str_eq(left(company), "0 0 0 0 0");
    /* And the same events are as new as before. */
    bad.event_type = "message.text";
    OK(wf_intake_save(test_ctx, &completed, &store, company, NULL, rows, count));
    ck_assert_str_eq(left(company), "3 1 3 3 1");
}
END_TEST

/* A phone may send a flow twice, or two people share a token: each of the messages is a response of the session with a
 * callback of its own, whichever comes first; the session is completed once. Nothing that was acknowledged is
 * dropped, and nobody's answers are overwritten. */
START_TEST(two_different_replies_of_one_session_are_two_responses_in_any_order)
{
    static const char *const slugs[] = {"replies-a", "replies-b"};
    apr_array_header_t *completed;
    int order, i, count;

    for (order = 0; order < 2; order++) {
        const char *phone = order ? "551100000006" : "551100000005";
        const char *company = new_company(slugs[order]);
        const char *account = new_receiver(company, "main", phone);
        const char *entries[] = {reply("wamid.a", phone, "tok-two", "first"),
                                 reply("wamid.b", phone, "tok-two", "second")};

        new_session(company, account, "tok-two");
        for (i = 0; i < 2; i++) {
            wf_intake_row_t *rows = ROWS(&count, entries[i ^ order]);

            OK(wf_intake_save(test_ctx, &completed, &store, company, NULL, rows, count));
            ck_assert_int_eq(rows[0].outcome, WF_INTAKE_STORED);
            ck_assert_int_eq(completed->nelts, i == 0);
        }
        ck_assert_str_eq(left(company), "2 2 2 2 1");
        ck_assert_str_eq(ask("select string_agg(r.message_id || ':' || (r.response ->> 'answer') || ':' ||"
                             " (s.id is not null), ' ' order by r.message_id) from wflows.flow_responses r"
                             " left join wflows.flow_sessions s on s.company_id = r.company_id and s.id ="
                             " r.session_id where r.company_id = '%s'",
                             company),
                         "wamid.a:first:true wamid.b:second:true");
        ck_assert_str_eq(ask("select string_agg(payload #>> '{response_data,answer}', ' ' order by"
                             " payload ->> 'message_id') from wflows.outbox where company_id = '%s' and"
                             " consumer = 'callback'",
                             company),
                         "first second");
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_post_is_stored_once_however_often_it_comes);
    tcase_add_test(tc, what_is_of_no_number_of_the_company_is_stored_as_unrouted);
    tcase_add_test(tc, a_post_of_which_one_event_cannot_be_stored_leaves_nothing);
    tcase_add_test(tc, two_different_replies_of_one_session_are_two_responses_in_any_order);
}

int main(void)
{
    return wf_test_store_main("intake_store", add_tests);
}
