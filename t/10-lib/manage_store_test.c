#include "wf_test_store.h"

#include "store/wf_manage_store.h"
#include "store/wf_once_store.h"

/* ---- requests that come twice ----------------------------------------------------------- */

static wf_once_t once_of(const char *company, const char *key, const char *asked)
{
    return (wf_once_t){.company_id = company,
                       .subject = "user:1",
                       .key = key,
                       .method = "POST",
                       .target = "/x",
                       .content = {asked, strlen(asked)},
                       .lease = apr_time_from_sec(60)};
}

static wf_once_kind_t begin(wf_once_found_t *found, wf_once_t *once)
{
    OK(wf_once_begin(test_ctx, found, once, &store, ring));
    return found->kind;
}

START_TEST(a_request_is_begun_by_one_and_answered_to_all)
{
    const char *company = new_company("once");
    wf_once_t first = once_of(company, "k", "a"), second = once_of(company, "k", "a");
    wf_once_t other = once_of(company, "k", "b"), elsewhere = once_of(NULL, "k", "a");
    wf_json_t *headers = json("{\"etag\": \"e\"}");
    wf_once_found_t found;

    ck_assert_int_eq(begin(&found, &first), WF_ONCE_NEW);
    ck_assert_int_eq(begin(&found, &second), WF_ONCE_IN_FLIGHT);
    ck_assert_int_eq(begin(&found, &other), WF_ONCE_OTHER);
    ck_assert_int_eq(begin(&found, &elsewhere), WF_ONCE_NEW);
    OK(wf_once_done(test_ctx, &first, &store, ring, 201, headers, "{\"key\":\"wfk_secret\"}", 20));
    ck_assert_int_eq(begin(&found, &second), WF_ONCE_DONE);
    ck_assert_int_eq(found.status, 201);
    ck_assert_str_eq(found.body, "{\"key\":\"wfk_secret\"}");
    ck_assert_str_eq(wf_json_get_str(found.headers, "etag", ""), "e");
    ck_assert_str_eq(ask("select count(*) from wflows.idempotency_keys"
                         " where response_body like '%%secret%%'"), "0");
}
END_TEST

/* Somebody who reads the database must not be able to try passwords on it. */
START_TEST(what_is_asked_for_is_kept_as_a_hash_with_a_key_that_the_database_has_not)
{
    const char *company = new_company("hashed");
    wf_once_t once = once_of(company, "k", "{\"password\":\"guessed\"}");
    wf_once_t method = once, target = once, longer = once, shifted = once;
    wf_hash_t *plain = wf_hash_make(test_pool);
    unsigned char digest[WF_SHA256_LEN];
    wf_once_found_t found;

    ck_assert_int_eq(begin(&found, &once), WF_ONCE_NEW);
    wf_hash_add(plain, "POST\0/x", 8);
    wf_hash_add(plain, once.content.data, once.content.len);
    wf_hash_end(plain, digest);
    ck_assert_str_ne(ask("select encode(request_hash, 'hex') from wflows.idempotency_keys"
                         " where company_id = '%s'", company),
                     wf_hex(test_pool, digest, sizeof(digest)));
    method.method = "PUT";
    target.target = "/y";
    longer.content.len--;
    shifted.target = "/x{";
    shifted.content.data++;
    shifted.content.len--;
    ck_assert_int_eq(begin(&found, &method), WF_ONCE_OTHER);
    ck_assert_int_eq(begin(&found, &target), WF_ONCE_OTHER);
    ck_assert_int_eq(begin(&found, &longer), WF_ONCE_OTHER);
    ck_assert_int_eq(begin(&found, &shifted), WF_ONCE_OTHER);
    ck_assert_int_eq(begin(&found, &once), WF_ONCE_IN_FLIGHT);
}
END_TEST

START_TEST(a_lease_that_is_over_is_taken_up_and_its_owner_changes_nothing_more)
{
    const char *company = new_company("leased");
    wf_once_t dead = once_of(company, "k", "a"), next = once_of(company, "k", "a");
    wf_json_t *none = json("{}");
    wf_once_found_t found;

    dead.lease = -1;
    ck_assert_int_eq(begin(&found, &dead), WF_ONCE_NEW);
    ck_assert_int_eq(begin(&found, &next), WF_ONCE_NEW);
    OK(wf_once_done(test_ctx, &dead, &store, ring, 201, none, "{}", 2));
    OK(wf_once_release(test_ctx, &dead, &store));
    ck_assert_str_eq(ask("select status from wflows.idempotency_keys where company_id = '%s'", company),
                     "in_flight");
    OK(wf_once_release(test_ctx, &next, &store));
    ck_assert_int_eq(begin(&found, &dead), WF_ONCE_NEW);
}
END_TEST

START_TEST(an_answer_in_another_companys_row_does_not_open)
{
    const char *a = new_company("once-a"), *b = new_company("once-b");
    wf_once_t of_a = once_of(a, "k", "x"), of_b = once_of(b, "k", "x");
    wf_once_found_t found;

    begin(&found, &of_a);
    OK(wf_once_done(test_ctx, &of_a, &store, ring, 200, json("{}"), "{}", 2));
    begin(&found, &of_b);
    OK(wf_once_done(test_ctx, &of_b, &store, ring, 200, json("{}"), "{}", 2));
    OK(script_as(superuser, apr_psprintf(test_pool,
                                         "update wflows.idempotency_keys b set response_body = a.response_body"
                                         " from wflows.idempotency_keys a where a.company_id = '%s'"
                                         " and b.company_id = '%s'", a, b)));
    ck_assert_int_ne(wf_once_begin(test_ctx, &found, &of_b, &store, ring), WF_OK);
    ck_assert_ptr_null(found.body);
    wf_ctx_clear(test_ctx);
}
END_TEST

/* ---- integrations ----------------------------------------------------------------------- */

START_TEST(an_integrations_secrets_are_sealed_and_survive_other_changes)
{
    const char *company = new_company("joined"), *id, *before;
    wf_json_t *doc;

    OK(wf_integration_add(test_ctx, &doc, &store, ring, company,
                          json("{\"kind\": \"gmail\", \"name\": \"Mail\", \"config\":"
                               " {\"sender\": \"a@b.example\", \"client_secret\": \"cs\", \"refresh_token\": \"rt\"}}"),
                          &operator_root));
    id = wf_json_get_str(doc, "id", "");
    ck_assert(wf_json_equal(wf_json_get(doc, "config"),
                            json("{\"sender\": \"a@b.example\", \"has_client_secret\": true,"
                                 " \"has_refresh_token\": true}")));
    before = ask("select secret from wflows.integrations where id = '%s'", id);
    OK(wf_integration_change(test_ctx, &doc, &store, ring, company, id, json("{\"enabled\": false}"), 0,
                             &operator_root));
    ck_assert_str_eq(ask("select secret from wflows.integrations where id = '%s'", id), before);
    OK(wf_integration_change(test_ctx, &doc, &store, ring, company, id,
                             json("{\"config\": {\"client_secret\": null}}"), 0, &operator_root));
    ck_assert(wf_json_equal(wf_json_get(doc, "config"),
                            json("{\"sender\": \"a@b.example\", \"has_refresh_token\": true}")));
    FAILS(wf_integration_change(test_ctx, &doc, &store, ring, new_company("stranger"), id, json("{}"), 0,
                                &operator_root),
          WF_ENOTFOUND, "no such integration");
}
END_TEST

/* ---- opt-outs --------------------------------------------------------------------------- */

START_TEST(an_import_is_the_same_in_whatever_pieces_it_comes)
{
    static const char csv[] = "contact,reason\r\n+55 11 4000-0001,\"a, \"\"b\"\"\"\r\n\"open,x\r\n"
                              "551140000002,\r\n";
    size_t piece, at, len = sizeof(csv) - 1;

    for (piece = 1; piece <= len; piece += 7) {
        const char *company = new_company(apr_psprintf(test_pool, "pieces-%d", (int)piece));
        wf_opt_out_import_t *import = wf_opt_out_import(test_ctx, &store, company);
        wf_json_t *doc;

        for (at = 0; at < len; at += piece) {
            OK(wf_opt_out_import_bytes(test_ctx, csv + at, len - at < piece ? len - at : piece, import));
        }
        OK(wf_opt_out_import_end(test_ctx, &doc, import, &operator_root));
        ck_assert_int_eq(wf_json_get_int(doc, "added", -1), 2);
        ck_assert_int_eq(wf_json_get_int(doc, "failed", -1), 1);
        ck_assert_str_eq(ask("select string_agg(contact || coalesce('=' || reason, ''), ' ' order by contact)"
                             " from wflows.opt_outs where company_id = '%s'", company),
                         "551140000001=a, \"b\" 551140000002");
    }
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_request_is_begun_by_one_and_answered_to_all);
    tcase_add_test(tc, what_is_asked_for_is_kept_as_a_hash_with_a_key_that_the_database_has_not);
    tcase_add_test(tc, a_lease_that_is_over_is_taken_up_and_its_owner_changes_nothing_more);
    tcase_add_test(tc, an_answer_in_another_companys_row_does_not_open);
    tcase_add_test(tc, an_integrations_secrets_are_sealed_and_survive_other_changes);
    tcase_add_test(tc, an_import_is_the_same_in_whatever_pieces_it_comes);
}

int main(void)
{
    return wf_test_store_main("manage_store", add_tests);
}
