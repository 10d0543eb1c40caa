#include "wf_test_store.h"

#include "store/wf_manage_store.h"

/* ---- companies -------------------------------------------------------------------------- */

START_TEST(a_company_is_made_with_its_data_key_audit_row_and_finished_outbox_row)
{
    wf_company_new_t c = {.slug = "made",
                          .name = "Made Ltda",
                          .email = "ops@made.example",
                          .phone = "+55 11 4002-8922",
                          .plan = "pro",
                          .max_accounts = -1,
                          .max_flows = 7,
                          .max_monthly_messages = 0,
                          .settings = "{\"session_ttl\": 60}"};
    wf_data_key_t key;
    wf_json_t *doc;
    const char *id;

    OK(wf_company_create(test_ctx, &id, &store, ring, &c, 0, &operator_root));
    OK(wf_company_find(test_ctx, &doc, &store, "made"));
    ck_assert_str_eq(wf_json_get_str(doc, "id", ""), id);
    ck_assert_str_eq(wf_json_get_str(doc, "display_name", ""), "Made Ltda");
    ck_assert_str_eq(wf_json_get_str(doc, "status", ""), "active");
    ck_assert_str_eq(wf_json_get_str(doc, "created_by", ""), "wflowsctl:root");
    ck_assert_int_eq(wf_json_type(wf_json_get(doc, "max_whatsapp_accounts")), WF_JSON_NULL);
    ck_assert_int_eq(wf_json_get_int(doc, "max_flows", -1), 7);
    ck_assert_int_eq(wf_json_get_int(doc, "max_monthly_messages", -1), 0);
    ck_assert_int_eq(wf_json_get_int(wf_json_get(doc, "settings"), "session_ttl", 0), 60);
    ck_assert_ptr_nonnull(wf_json_get_str(doc, "activation_date", NULL));
    OK(wf_company_find(test_ctx, &doc, &store, id));
    ck_assert_str_eq(wf_json_get_str(doc, "slug", ""), "made");

    OK(wf_data_key_load(test_ctx, &key, &store, ring, id));
    ck_assert_str_eq(key.id, ask("select id from wflows.data_keys where company_id = '%s'", id));
    ck_assert_ptr_nonnull(
        strstr(last_audit(id), apr_psprintf(test_pool, "company.created|%s|-|{", id)));
    ck_assert_str_eq(ask("select concat_ws('|', actor, ip_address, user_agent, resource_type)"
                         " from wflows.audit_logs where company_id = '%s'",
                         id),
                     "wflowsctl:root|127.0.0.1|test/1|company");
    ck_assert_str_eq(outbox_statuses(id), "done");
}
END_TEST

START_TEST(a_taken_slug_says_so_and_leaves_nothing_behind)
{
    wf_company_new_t c = {.slug = "taken", .name = "Second"};
    const char *id, *before;

    new_company("taken");
    before = ask("select count(*) from wflows.data_keys");
    FAILS(wf_company_create(test_ctx, &id, &store, ring, &c, 0, &operator_root), WF_ECONFLICT,
          "slug: already taken");
    ck_assert_ptr_null(id);
    ck_assert_str_eq(ask("select count(*) from wflows.data_keys"), before);
}
END_TEST

START_TEST(every_bad_value_of_a_company_is_named_at_once)
{
    wf_company_new_t c = {.slug = "Bad Slug",
                          .name = "",
                          .email = "nobody",
                          .phone = "call me",
                          .status = "asleep",
                          .max_flows = -2};
    const char *id;

    FAILS(wf_company_create(test_ctx, &id, &store, ring, &c, 0, &operator_root), WF_EINVALID,
          "slug: 1 or 3 to 63 of a-z, 0-9 and '-', not at an end, expected; "
          "name: text of 1 to 200 characters expected; "
          "email: an e-mail address expected; phone: a telephone number expected; "
          "status: one of active inactive suspended pending expected; "
          "max_flows: a whole number from 0 to 1000000000 expected; "
          "display_name: text of 1 to 200 characters expected");
    c = (wf_company_new_t){.slug = "plan-less", .name = "x", .plan = "platinum"};
    FAILS(wf_company_create(test_ctx, &id, &store, ring, &c, 0, &operator_root), WF_EINVALID,
          "subscription_plan: not known");
    c = (wf_company_new_t){.slug = "setless", .name = "x", .settings = "[1]"};
    FAILS(wf_company_create(test_ctx, &id, &store, ring, &c, 0, &operator_root), WF_EINVALID,
          "settings: an object expected");
    c = (wf_company_new_t){.name = "x"};
    FAILS(wf_company_create(test_ctx, &id, &store, ring, &c, 0, &operator_root), WF_EINVALID,
          "slug: 1 or 3 to 63 of a-z, 0-9 and '-', not at an end, expected");
    c = (wf_company_new_t){.slug = "ctrl", .name = "a\nb"};
    FAILS(wf_company_create(test_ctx, &id, &store, ring, &c, 0, &operator_root), WF_EINVALID,
          "name: text of 1 to 200 characters expected; "
          "display_name: text of 1 to 200 characters expected");
}
END_TEST

START_TEST(the_installations_limit_of_companies_counts_the_living)
{
    int live = atoi(ask("select count(*) from wflows.companies where deleted_at is null"));
    wf_company_new_t c = {.slug = "limit-b", .name = "B"};
    const char *id, *first = new_company("limit-a");

    FAILS(wf_company_create(test_ctx, &id, &store, ring, &c, live + 1, &operator_root), WF_ELIMIT,
          apr_psprintf(test_pool, "companies: the limit of %d is reached", live + 1));
    OK(wf_company_remove(test_ctx, &store, first, &operator_root));
    OK(wf_company_create(test_ctx, &id, &store, ring, &c, live + 1, &operator_root));
}
END_TEST

START_TEST(a_removed_company_is_gone_and_its_slug_is_free)
{
    const char *first = new_company("reborn"), *second, *text;
    wf_json_t *doc;
    size_t len;

    OK(wf_company_remove(test_ctx, &store, first, &operator_root));
    FAILS(wf_company_find(test_ctx, &doc, &store, "reborn"), WF_ENOTFOUND, "no such company");
    FAILS(wf_company_find(test_ctx, &doc, &store, first), WF_ENOTFOUND, "no such company");
    FAILS(wf_company_remove(test_ctx, &store, first, &operator_root), WF_ENOTFOUND,
          "no such company");
    ck_assert_int_eq(wf_tenant_record_load(test_ctx, &text, &len, &store, "reborn", NULL),
                     WF_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(last_audit(first), "company.deleted|"));
    second = new_company("reborn");
    ck_assert_str_ne(first, second);
    OK(wf_tenant_record_load(test_ctx, &text, &len, &store, "reborn", NULL));
    ck_assert_ptr_nonnull(strstr(text, second));
}
END_TEST

START_TEST(updating_a_company_changes_what_is_given_and_merges_its_settings)
{
    const char *id = new_company("changing"), *audit;
    wf_json_t *doc, *settings;

    OK(wf_company_update(test_ctx, &store, id,
                         json("{\"name\": \"New\", \"email\": \"a@b.example\","
                              " \"settings\": {\"rate_limit\": {\"max_requests\": 1,"
                              " \"window_ms\": 2000}, \"shared_flow_tokens\": [\"t\"]}}"),
                         &operator_root));
    OK(wf_company_update(test_ctx, &store, id,
                         json("{\"email\": null, \"settings\": {\"session_ttl\": 60,"
                              " \"rate_limit\": {\"window_ms\": null}}}"),
                         &operator_root));
    OK(wf_company_find(test_ctx, &doc, &store, "changing"));
    ck_assert_str_eq(wf_json_get_str(doc, "name", ""), "New");
    ck_assert_int_eq(wf_json_type(wf_json_get(doc, "email")), WF_JSON_NULL);
    settings = wf_json_get(doc, "settings");
    ck_assert(wf_json_equal(settings, json("{\"rate_limit\": {\"max_requests\": 1},"
                                          " \"shared_flow_tokens\": [\"t\"],"
                                          " \"session_ttl\": 60}")));
    audit = last_audit(id);
    ck_assert_ptr_nonnull(strstr(audit, "company.updated|"));
    ck_assert_ptr_nonnull(strstr(audit, "\"email\":\"a@b.example\""));
    ck_assert_ptr_null(strstr(audit, "\"name\""));
}
END_TEST

START_TEST(an_update_that_changes_nothing_writes_no_audit_row)
{
    const char *id = new_company("unchanging");

    OK(wf_company_update(test_ctx, &store, id, json("{\"name\": \"Some Company\"}"),
                         &operator_root));
    ck_assert_str_eq(ask("select count(*) from wflows.audit_logs where company_id = '%s'", id),
                     "1");
    ck_assert_str_eq(ask("select count(*) from wflows.outbox where company_id = '%s'", id), "1");
}
END_TEST

START_TEST(members_a_company_does_not_have_or_may_not_change_are_refused)
{
    const char *id = new_company("strict");

    FAILS(wf_company_update(test_ctx, &store, id,
                            json("{\"slug\": \"other\", \"colour\": 1, \"Ev il\": 2,"
                                 " \"name\": null, \"max_flows\": 1.5, \"settings\": 3}"),
                            &operator_root),
          WF_EINVALID,
          "slug: cannot be changed; colour: not known; a member is not known; "
          "name: text of 1 to 200 characters expected; "
          "max_flows: a whole number from 0 to 1000000000 expected; "
          "settings: an object of at most 65536 bytes expected");
    FAILS(wf_company_update(test_ctx, &store, id, json("[]"), &operator_root), WF_EINVALID,
          "an object expected");
    FAILS(wf_company_update(test_ctx, &store, "00000000-0000-7000-8000-000000000000", json("{}"),
                            &operator_root),
          WF_ENOTFOUND, "no such company");
    FAILS(wf_company_update(test_ctx, &store, "' or true --", json("{}"), &operator_root),
          WF_ENOTFOUND, "no such company");
}
END_TEST

START_TEST(metadata_cannot_grow_past_their_limit_by_merging)
{
    const char *id = new_company("growing");
    char *big = apr_pcalloc(test_pool, 40001);

    memset(big, 'x', 40000);
    OK(wf_company_update(test_ctx, &store, id,
                         json(apr_psprintf(test_pool, "{\"metadata\": {\"a\": \"%s\"}}", big)),
                         &operator_root));
    FAILS(wf_company_update(test_ctx, &store, id,
                            json(apr_psprintf(test_pool, "{\"metadata\": {\"b\": \"%s\"}}", big)),
                            &operator_root),
          WF_EINVALID, "metadata: together with what is there, over 65536 bytes");
}
END_TEST

START_TEST(settings_are_known_by_name_and_type)
{
    const char *id = new_company("settled");

    FAILS(wf_company_update(test_ctx, &store, id,
                            json("{\"settings\": {\"tint\": 1, \"session_ttl\": \"long\","
                                 " \"rate_limit\": {\"window_ms\": 999}}}"),
                            &operator_root),
          WF_EINVALID,
          "settings/tint: not known; settings/session_ttl: a whole number from 60 to 2592000 expected; "
          "settings/rate_limit/window_ms: a whole number from 1000 to 86400000 expected");
}
END_TEST

/* ---- sign-up ---------------------------------------------------------------------------- */

static wf_status_t sign_up(wf_json_t **doc, const char *members)
{
    return wf_company_sign_up(test_ctx, doc, &store, ring, json(members), 0, "pro", &operator_root);
}

START_TEST(a_company_signs_up_with_its_owner_or_not_at_all)
{
    wf_json_t *doc;
    const char *id;

    OK(sign_up(&doc, "{\"slug\": \"signed-up\", \"name\": \"S\", \"trial_days\": 3, \"owner\":"
                     " {\"email\": \"Eva@s.example\", \"name\": \"Eva\", \"password\": \"long enough, this\"}}"));
    id = wf_json_get_str(doc, "id", "");
    ck_assert_str_eq(wf_json_get_str(doc, "subscription_plan", ""), "pro");
    ck_assert_ptr_nonnull(wf_json_get_str(doc, "trial_ends_at", NULL));
    ck_assert_str_eq(ask("select role || ' ' || status || ' ' || left(password_hash, 10)"
                         " from wflows.users where company_id = '%s'", id),
                     "admin active $argon2id$");
    FAILS(sign_up(&doc, "{\"slug\": \"signed-two\", \"name\": \"S\", \"owner\":"
                        " {\"email\": \"eva@S.example\", \"name\": \"Eva\", \"password\": \"another long one\"}}"),
          WF_ECONFLICT, "owner/password: this person is known and has a password already");
    ck_assert_ptr_null(doc);
    ck_assert_str_eq(ask("select count(*) from wflows.companies where slug = 'signed-two'"), "0");
    OK(sign_up(&doc, "{\"slug\": \"signed-two\", \"name\": \"S\", \"owner\":"
                     " {\"email\": \"eva@S.example\", \"name\": \"Eva\"}}"));
    ck_assert_str_eq(ask("select count(distinct (id, password_hash)) from wflows.users"), "1");
    FAILS(sign_up(&doc, "{\"slug\": \"x\", \"trial_days\": 1.5, \"owner\": {\"name\": \"\"}}"), WF_EINVALID,
          "trial_days: a whole number from 0 to 365 expected; "
          "owner/name: text of 1 to 200 characters expected; owner/email: an e-mail address expected; "
          "name: text of 1 to 200 characters expected");
}
END_TEST

START_TEST(a_trial_that_is_over_suspends_an_active_company_once)
{
    static const wf_actor_t job = {.actor = "job:trials"};
    wf_json_t *doc;
    int done;

    OK(sign_up(&doc, "{\"slug\": \"trying\", \"name\": \"T\", \"trial_ends_at\": \"2020-01-01T00:00:00Z\"}"));
    OK(sign_up(&doc, "{\"slug\": \"trying-on\", \"name\": \"T\", \"trial_days\": 1}"));
    OK(wf_trials_end(test_ctx, &done, &store, 10, &job));
    ck_assert_int_eq(done, 1);
    OK(wf_company_find(test_ctx, &doc, &store, "trying"));
    ck_assert_str_eq(wf_json_get_str(doc, "status", ""), "suspended");
    ck_assert_str_eq(wf_json_get_str(doc, "suspension_reason", ""), WF_TRIAL_REASON);
    OK(wf_company_update(test_ctx, &store, wf_json_get_str(doc, "id", ""),
                         json("{\"status\": \"active\"}"), &operator_root));
    OK(wf_trials_end(test_ctx, &done, &store, 10, &job));
    ck_assert_int_eq(done, 0);
}
END_TEST

START_TEST(suspending_and_activating_a_company_are_actions_of_their_own)
{
    const char *id = new_company("resting");

    OK(wf_company_update(test_ctx, &store, id,
                         json("{\"status\": \"suspended\", \"suspension_reason\": \"unpaid\"}"),
                         &operator_root));
    ck_assert_ptr_nonnull(strstr(last_audit(id), "company.suspended|"));
    ck_assert_str_eq(tenant_of("resting", NULL)->company.status, "suspended");
    OK(wf_company_update(test_ctx, &store, id, json("{\"status\": \"active\"}"), &operator_root));
    ck_assert_ptr_nonnull(strstr(last_audit(id), "company.activated|"));
    ck_assert_str_eq(ask("select suspension_reason from wflows.companies where id = '%s'", id),
                     "-");
}
END_TEST

START_TEST(companies_are_listed_in_pages_by_id)
{
    wf_json_t *page;
    const char *after;
    size_t i;

    new_company("page-a");
    new_company("page-b");
    new_company("page-c");
    after = ask("select max(id::text) from wflows.companies where slug not like 'page-%%'");
    OK(wf_company_list(test_ctx, &page, &store, *after == '-' ? NULL : after, 2));
    ck_assert_int_eq((int)wf_json_len(page), 2);
    for (i = 0; i < 2; i++) {
        const char *id = wf_json_get_str(wf_json_at(page, i), "id", "");
        ck_assert_int_gt(strcmp(id, after), 0);
        after = id;
    }
    FAILS(wf_company_list(test_ctx, &page, &store, "x", 2), WF_EINVALID,
          "after: a company's id expected");
}
END_TEST

/* ---- data keys -------------------------------------------------------------------------- */

START_TEST(rewrapping_moves_every_key_to_the_primary_and_goes_on_where_it_stopped)
{
    wf_keyring_t *old_ring = ring_of("solo", NULL), *lost = ring_of("gone", NULL);
    wf_company_new_t c = {.slug = "wrap-a", .name = "A"};
    const char *a, *b, *broken;
    wf_data_key_t before, after;
    wf_json_t *usage;
    int done, left;

    OK(wf_company_create(test_ctx, &a, &store, old_ring, &c, 0, &operator_root));
    c.slug = "wrap-b";
    OK(wf_company_create(test_ctx, &b, &store, old_ring, &c, 0, &operator_root));
    c.slug = "wrap-c";
    OK(wf_company_create(test_ctx, &broken, &store, lost, &c, 0, &operator_root));
    OK(wf_data_key_load(test_ctx, &before, &store, old_ring, a));
    OK(wf_data_keys_usage(test_ctx, &usage, &store));
    ck_assert_int_eq(wf_json_get_int(usage, "solo", 0), 2);
    ck_assert_int_eq(wf_json_get_int(usage, "gone", 0), 1);

    ring = ring_of("two", "solo");
    OK(wf_data_keys_rewrap(test_ctx, &done, &left, &store, ring, &operator_root));
    ck_assert_int_ge(done, 2);
    ck_assert_int_ge(left, 1);
    OK(wf_data_key_load(test_ctx, &after, &store, ring_of("two", NULL), a));
    ck_assert_str_eq(after.id, before.id);
    ck_assert(memcmp(after.key, before.key, sizeof(after.key)) == 0);
    ck_assert_ptr_nonnull(strstr(last_audit(b), "data_key.rewrapped|"));
    ck_assert_ptr_nonnull(strstr(last_audit(b), "{\"master_key_id\":\"two\"}"));
    ck_assert_ptr_null(strstr(last_audit(b), "wk1:"));
    ck_assert_str_eq(outbox_statuses(b), "done");

    OK(wf_data_keys_rewrap(test_ctx, &done, &left, &store, ring, &operator_root));
    ck_assert_int_eq(done, 0);
    OK(wf_data_keys_rewrap(test_ctx, &done, &left, &store, ring_of("two", "gone"), &operator_root));
    ck_assert_int_eq(done, 1);
    OK(wf_data_key_load(test_ctx, &after, &store, ring_of("two", NULL), broken));
    ask("delete from wflows.data_keys where company_id = '%s' returning 1", broken);
    FAILS(wf_data_key_load(test_ctx, &after, &store, ring, broken), WF_ENOTFOUND,
          "the company has no such data key");
}
END_TEST

START_TEST(a_secret_sealed_with_a_retired_data_key_is_still_read_and_new_ones_use_the_new)
{
    const char *company = new_company("retire"), *id, *wrapped;
    wf_account_new_t a = account_named("A", "5511000000018");
    wf_tenant_t *tenant;
    wf_secret_t secret;
    wf_data_key_t fresh;

    a.app_secret = "first";
    OK(wf_account_create(test_ctx, &id, &store, ring, company, &a, 0, &operator_root));
    OK(wf_data_key_generate(test_ctx, &fresh, &wrapped, ring, company));
    ask("update wflows.data_keys set retired_at = now() where company_id = '%s' returning 1",
        company);
    ask("insert into wflows.data_keys (company_id, id, wrapped) values ('%s', '%s', '%s') "
        "returning 1",
        company, fresh.id, wrapped);
    OK(wf_account_secret_load(test_ctx, &secret, &store, ring, company, id, "app_secret"));
    OK(wf_account_update(test_ctx, &store, ring, company, id, json("{\"app_secret\": \"second\"}"),
                         -1, &operator_root));
    tenant = tenant_of("retire", id);
    ck_assert(strncmp(tenant->accounts[0].app_secret + 4, fresh.id, WF_UUID_LEN) == 0);
    OK(wf_account_secret(test_ctx, &secret, tenant, &tenant->accounts[0], ring,
                         "previous_app_secret", tenant->accounts[0].previous_app_secret));
    ck_assert_str_eq((char *)secret.data, "first");
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, a_company_is_made_with_its_data_key_audit_row_and_finished_outbox_row);
    tcase_add_test(tc, a_taken_slug_says_so_and_leaves_nothing_behind);
    tcase_add_test(tc, every_bad_value_of_a_company_is_named_at_once);
    tcase_add_test(tc, the_installations_limit_of_companies_counts_the_living);
    tcase_add_test(tc, a_removed_company_is_gone_and_its_slug_is_free);
    tcase_add_test(tc, updating_a_company_changes_what_is_given_and_merges_its_settings);
    tcase_add_test(tc, an_update_that_changes_nothing_writes_no_audit_row);
    tcase_add_test(tc, members_a_company_does_not_have_or_may_not_change_are_refused);
    tcase_add_test(tc, metadata_cannot_grow_past_their_limit_by_merging);
    tcase_add_test(tc, settings_are_known_by_name_and_type);
    tcase_add_test(tc, a_company_signs_up_with_its_owner_or_not_at_all);
    tcase_add_test(tc, a_trial_that_is_over_suspends_an_active_company_once);
    tcase_add_test(tc, suspending_and_activating_a_company_are_actions_of_their_own);
    tcase_add_test(tc, companies_are_listed_in_pages_by_id);
    tcase_add_test(tc, rewrapping_moves_every_key_to_the_primary_and_goes_on_where_it_stopped);
    tcase_add_test(tc,
                   a_secret_sealed_with_a_retired_data_key_is_still_read_and_new_ones_use_the_new);
}

int main(void)
{
    return wf_test_store_main("company_store", add_tests);
}
