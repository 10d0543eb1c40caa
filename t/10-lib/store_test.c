#include "wf_test_store.h"

/* ---- companies
 * ------------------------------------------------------------------------------------ */

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
          "display_name: text of 1 to 200 characters expected; "
          "email: an e-mail address expected; phone: a telephone number expected; "
          "status: one of active inactive suspended pending expected; "
          "max_flows: a whole number from 0 to 1000000000 expected");
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
                              " \"settings\": {\"a\": {\"x\": 1, \"y\": 2}, \"b\": [1]}}"),
                         &operator_root));
    OK(wf_company_update(test_ctx, &store, id,
                         json("{\"email\": null, \"settings\": {\"a\": {\"y\": null, \"z\": 3}}}"),
                         &operator_root));
    OK(wf_company_find(test_ctx, &doc, &store, "changing"));
    ck_assert_str_eq(wf_json_get_str(doc, "name", ""), "New");
    ck_assert_int_eq(wf_json_type(wf_json_get(doc, "email")), WF_JSON_NULL);
    settings = wf_json_get(doc, "settings");
    ck_assert(wf_json_equal(settings, json("{\"a\": {\"x\": 1, \"z\": 3}, \"b\": [1]}")));
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

START_TEST(settings_cannot_grow_past_their_limit_by_merging)
{
    const char *id = new_company("growing");
    char *big = apr_pcalloc(test_pool, 40001);

    memset(big, 'x', 40000);
    OK(wf_company_update(test_ctx, &store, id,
                         json(apr_psprintf(test_pool, "{\"settings\": {\"a\": \"%s\"}}", big)),
                         &operator_root));
    FAILS(wf_company_update(test_ctx, &store, id,
                            json(apr_psprintf(test_pool, "{\"settings\": {\"b\": \"%s\"}}", big)),
                            &operator_root),
          WF_EINVALID, "settings: together with what is there, over 65536 bytes");
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

/* ---- accounts
 * -------------------------------------------------------------------------------------- */

START_TEST(an_accounts_secrets_are_sealed_in_the_row_and_readable_for_the_tenant)
{
    const char *company = new_company("sealed"), *id;
    wf_account_new_t a = account_named("Main", "5511999990000");
    wf_secret_t secret;
    wf_tenant_t *tenant;
    wf_json_t *doc;

    a.app_secret = "app-secret-1";
    a.access_token = "token-1";
    a.verify_token = "verify-1";
    a.callback_secret = "callback-1";
    a.default_flow_name = "welcome";
    a.callback_webhook_url = "https://example.com/hook?x=1";
    OK(wf_account_create(test_ctx, &id, &store, ring, company, &a, 0, &operator_root));

    OK(wf_account_app_secret(test_ctx, &secret, &store, ring, company, id));
    ck_assert_str_eq((char *)secret.data, "app-secret-1");
    tenant = tenant_of("sealed", NULL);
    ck_assert_int_eq(tenant->account_count, 1);
    OK(wf_account_secret(test_ctx, &secret, tenant, &tenant->accounts[0], ring, "callback_secret",
                         tenant->accounts[0].callback_secret));
    ck_assert_str_eq((char *)secret.data, "callback-1");
    ck_assert_str_eq(tenant->accounts[0].default_flow_name, "welcome");
    ck_assert_int_eq((int)tenant->accounts[0].rate_max, 600);
    ck_assert_int_eq((int)tenant->accounts[0].flow_endpoint_timeout_ms, 2500);

    ck_assert_str_eq(ask("select count(*) from wflows.whatsapp_accounts a where id = '%s' and"
                         " (a::text like '%%-1%%secret%%' or a::text like '%%app-secret-1%%'"
                         " or a::text like '%%token-1%%' or a::text like '%%verify-1%%')",
                         id),
                     "0");
    OK(wf_account_find(test_ctx, &doc, &store, company, "Main"));
    ck_assert(wf_json_get_bool(doc, "has_app_secret", 0));
    ck_assert(wf_json_get_bool(doc, "has_access_token", 0));
    ck_assert(!wf_json_get_bool(doc, "has_private_key", 1));
    ck_assert(!wf_json_has(doc, "app_secret"));
    ck_assert_ptr_null(strstr(last_audit(company), "wf1:"));
    ck_assert_ptr_null(strstr(last_audit(company), "secret-1"));
}
END_TEST

START_TEST(an_account_is_found_by_id_name_or_phone_number_id_and_never_from_another_company)
{
    const char *a = new_company("find-a"), *b = new_company("find-b");
    const char *id = new_account(a, "Desk", "5511000000001");
    wf_json_t *doc, *list;

    OK(wf_account_find(test_ctx, &doc, &store, a, id));
    OK(wf_account_find(test_ctx, &doc, &store, a, "Desk"));
    OK(wf_account_find(test_ctx, &doc, &store, a, "5511000000001"));
    ck_assert_str_eq(wf_json_get_str(doc, "id", ""), id);
    FAILS(wf_account_find(test_ctx, &doc, &store, b, id), WF_ENOTFOUND, "no such WhatsApp account");
    FAILS(wf_account_find(test_ctx, &doc, &store, b, "Desk"), WF_ENOTFOUND,
          "no such WhatsApp account");
    OK(wf_account_list(test_ctx, &list, &store, b));
    ck_assert_int_eq((int)wf_json_len(list), 0);
    FAILS(wf_account_remove(test_ctx, &store, b, id, &operator_root), WF_ENOTFOUND,
          "no such WhatsApp account");
    FAILS(wf_account_update(test_ctx, &store, ring, b, id, json("{\"name\": \"mine\"}"), -1,
                            &operator_root),
          WF_ENOTFOUND, "no such WhatsApp account");
    FAILS(wf_account_set_default(test_ctx, &store, b, id, &operator_root), WF_ENOTFOUND,
          "no such WhatsApp account");
    ck_assert_str_eq(ask("select concat_ws('|', name, deleted_at) from wflows.whatsapp_accounts"
                         " where id = '%s'",
                         id),
                     "Desk");
}
END_TEST

START_TEST(every_bad_value_of_an_account_is_named)
{
    const char *company = new_company("badacc"), *id;
    wf_account_new_t a = {.name = "",
                          .phone_number_id = "12ab",
                          .waba_id = "1",
                          .status = "on",
                          .default_flow_name = "a b",
                          .callback_webhook_url = "https://u:p@h/",
                          .flow_endpoint_timeout_ms = 9501,
                          .rate_max = -5,
                          .rate_window_ms = 10};

    FAILS(wf_account_create(test_ctx, &id, &store, ring, company, &a, 0, &operator_root),
          WF_EINVALID,
          "name: text of 1 to 100 characters expected; "
          "display_name: text of 1 to 200 characters expected; "
          "phone_number_id: 5 to 20 digits expected; waba_id: 5 to 20 digits expected; "
          "status: one of active inactive pending_verification suspended expected; "
          "default_flow_name: 1 to 64 letters, digits, '_', '-' or '.' expected; "
          "callback_webhook_url: an http or https URL without user name expected; "
          "flow_endpoint_timeout: a whole number from 100 to 9500 expected; "
          "rate_limit_window_ms: a whole number from 1000 to 86400000 expected; "
          "rate_limit_max_requests: a whole number from 0 to 1000000000 expected");
    a = account_named("x", "12345");
    a.app_secret = "";
    FAILS(wf_account_create(test_ctx, &id, &store, ring, company, &a, 0, &operator_root),
          WF_EINVALID, "app_secret: text of 1 to 4096 bytes expected");
    new_account(company, "One", "5511000000002");
    a = account_named("Two", "5511000000002");
    FAILS(wf_account_create(test_ctx, &id, &store, ring, company, &a, 0, &operator_root),
          WF_ECONFLICT, "phone_number_id: already taken");
    a = account_named("One", "5511000000003");
    FAILS(wf_account_create(test_ctx, &id, &store, ring, company, &a, 0, &operator_root),
          WF_ECONFLICT, "name: already taken");
    new_account(new_company("badacc-2"), "One", "5511000000002");
}
END_TEST

START_TEST(the_tighter_of_plan_and_installation_limits_the_accounts)
{
    const char *starter = new_company_on("lim-starter", "starter"), *pro, *id;
    wf_account_new_t a = account_named("B", "5511000000004");

    new_account(starter, "A", "5511000000003");
    FAILS(wf_account_create(test_ctx, &id, &store, ring, starter, &a, 50, &operator_root),
          WF_ELIMIT, "WhatsApp accounts: the limit of 1 is reached");
    pro = new_company_on("lim-pro", "pro");
    new_account(pro, "A", "5511000000003");
    FAILS(wf_account_create(test_ctx, &id, &store, ring, pro, &a, 1, &operator_root), WF_ELIMIT,
          "WhatsApp accounts: the limit of 1 is reached");
    OK(wf_company_update(test_ctx, &store, starter, json("{\"max_whatsapp_accounts\": 2}"),
                         &operator_root));
    OK(wf_account_create(test_ctx, &id, &store, ring, starter, &a, 50, &operator_root));
}
END_TEST

START_TEST(exactly_one_account_is_the_default)
{
    const char *company = new_company("defaults"), *first, *second, *third;
    wf_account_new_t a = account_named("Third", "5511000000007");
    static const char which[] =
        "select coalesce(string_agg(name, ','), '-') from wflows.whatsapp_accounts"
        " where company_id = '%s' and is_default";

    first = new_account(company, "First", "5511000000005");
    second = new_account(company, "Second", "5511000000006");
    ck_assert_str_eq(ask(which, company), "First");
    a.is_default = 1;
    OK(wf_account_create(test_ctx, &third, &store, ring, company, &a, 0, &operator_root));
    ck_assert_str_eq(ask(which, company), "Third");
    OK(wf_account_set_default(test_ctx, &store, company, second, &operator_root));
    ck_assert_str_eq(ask(which, company), "Second");
    ck_assert_str_eq(tenant_of("defaults", NULL)->accounts[0].id, second);
    ck_assert_ptr_nonnull(strstr(last_audit(company), "account.default_set|"));
    OK(wf_account_remove(test_ctx, &store, company, second, &operator_root));
    ck_assert_str_eq(ask(which, company), "-");
    ck_assert_int_eq(tenant_of("defaults", NULL)->account_count, 0);
    new_account(company, "Second", "5511000000006");
    ck_assert_str_eq(ask(which, company), "Second");
    ck_assert_str_eq(tenant_of("defaults", first)->accounts[0].name, "First");
    FAILS(wf_account_update(test_ctx, &store, ring, company, first, json("{\"is_default\": true}"),
                            -1, &operator_root),
          WF_EINVALID, "is_default: cannot be changed");
}
END_TEST

START_TEST(a_new_app_secret_leaves_the_old_one_valid_for_the_overlap)
{
    const char *company = new_company("rotate"), *id;
    wf_account_new_t a = account_named("A", "5511000000008");
    wf_account_t *account;
    wf_tenant_t *tenant;
    wf_secret_t secret;
    apr_time_t before;

    a.app_secret = "old";
    OK(wf_account_create(test_ctx, &id, &store, ring, company, &a, 0, &operator_root));
    before = apr_time_now();
    OK(wf_account_update(test_ctx, &store, ring, company, id, json("{\"app_secret\": \"new\"}"),
                         apr_time_from_sec(100), &operator_root));
    tenant = tenant_of("rotate", id);
    account = &tenant->accounts[0];
    OK(wf_account_secret(test_ctx, &secret, tenant, account, ring, "app_secret",
                         account->app_secret));
    ck_assert_str_eq((char *)secret.data, "new");
    OK(wf_account_secret(test_ctx, &secret, tenant, account, ring, "previous_app_secret",
                         account->previous_app_secret));
    ck_assert_str_eq((char *)secret.data, "old");
    ck_assert(account->previous_secret_until >= before + apr_time_from_sec(99));
    ck_assert(account->previous_secret_until <= apr_time_now() + apr_time_from_sec(101));
    ck_assert_ptr_nonnull(strstr(last_audit(company), "\"app_secret\":\"[redacted]\""));
    ck_assert_ptr_null(strstr(last_audit(company), "\"new\""));

    OK(wf_account_update(test_ctx, &store, ring, company, id, json("{\"app_secret\": null}"), -1,
                         &operator_root));
    account = tenant_of("rotate", id)->accounts;
    ck_assert_ptr_null(account->app_secret);
    ck_assert_ptr_null(account->previous_app_secret);
    ck_assert(account->previous_secret_until == 0);
    FAILS(wf_account_app_secret(test_ctx, &secret, &store, ring, company, id), WF_ENOTFOUND,
          "the account has no app secret");
}
END_TEST

START_TEST(a_secret_of_one_account_does_not_decrypt_in_anothers_row_or_column)
{
    const char *company = new_company("moved"), *a_id, *b_id;
    wf_account_new_t a = account_named("A", "5511000000009");
    wf_secret_t secret;

    a.app_secret = "secret-of-a";
    OK(wf_account_create(test_ctx, &a_id, &store, ring, company, &a, 0, &operator_root));
    b_id = new_account(company, "B", "5511000000010");
    ask("update wflows.whatsapp_accounts set app_secret = (select app_secret from"
        " wflows.whatsapp_accounts where id = '%s') where id = '%s' returning 1",
        a_id, b_id);
    ck_assert_int_eq(wf_account_app_secret(test_ctx, &secret, &store, ring, company, b_id),
                     WF_EDENIED);
    wf_ctx_clear(test_ctx);
    ask("update wflows.whatsapp_accounts set app_secret = null, verify_token = app_secret"
        " where id = '%s' returning 1",
        a_id);
    ask("update wflows.whatsapp_accounts set app_secret = verify_token where id = '%s' returning 1",
        a_id);
    OK(wf_account_app_secret(test_ctx, &secret, &store, ring, company, a_id));
}
END_TEST

START_TEST(ids_in_capital_letters_name_the_same_records)
{
    const char *company = new_company("capital"), *id;
    wf_account_new_t a = account_named("A", "5511000000011");
    char *upper_company, *upper_id, *c;
    wf_secret_t secret;

    upper_company = apr_pstrdup(test_pool, company);
    for (c = upper_company; *c; c++) {
        *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 32 : *c);
    }
    a.app_secret = "one";
    OK(wf_account_create(test_ctx, &id, &store, ring, upper_company, &a, 0, &operator_root));
    upper_id = apr_pstrdup(test_pool, id);
    for (c = upper_id; *c; c++) {
        *c = (char)(*c >= 'a' && *c <= 'f' ? *c - 32 : *c);
    }
    OK(wf_account_update(test_ctx, &store, ring, upper_company, upper_id,
                         json("{\"app_secret\": \"two\"}"), -1, &operator_root));
    OK(wf_account_app_secret(test_ctx, &secret, &store, ring, upper_company, upper_id));
    ck_assert_str_eq((char *)secret.data, "two");
    OK(wf_account_app_secret(test_ctx, &secret, &store, ring, company, id));
    ck_assert_str_eq((char *)secret.data, "two");
}
END_TEST

START_TEST(a_new_key_becomes_current_and_the_old_one_stays_readable)
{
    const char *company = new_company("keys"), *id = new_account(company, "A", "5511000000012");
    wf_rsa_key_t *first, *second, *read;
    const char *first_pem, *second_pem, *pem;
    wf_tenant_t *tenant;
    wf_secret_t der;
    wf_json_t *doc;

    OK(wf_rsa_generate(test_ctx, &first));
    OK(wf_rsa_generate(test_ctx, &second));
    OK(wf_rsa_public_pem(test_ctx, &first_pem, first));
    OK(wf_rsa_public_pem(test_ctx, &second_pem, second));
    OK(wf_account_set_key(test_ctx, &store, ring, company, id, first, -1, &operator_root));
    tenant = tenant_of("keys", id);
    ck_assert_ptr_null(tenant->accounts[0].previous_private_key);
    OK(wf_account_set_key(test_ctx, &store, ring, company, id, second, -1, &operator_root));
    tenant = tenant_of("keys", id);
    OK(wf_account_secret(test_ctx, &der, tenant, &tenant->accounts[0], ring, "private_key",
                         tenant->accounts[0].private_key));
    OK(wf_rsa_parse(test_ctx, &read, der.data, der.len, NULL));
    OK(wf_rsa_public_pem(test_ctx, &pem, read));
    ck_assert_str_eq(pem, second_pem);
    OK(wf_account_secret(test_ctx, &der, tenant, &tenant->accounts[0], ring, "previous_private_key",
                         tenant->accounts[0].previous_private_key));
    OK(wf_rsa_parse(test_ctx, &read, der.data, der.len, NULL));
    OK(wf_rsa_public_pem(test_ctx, &pem, read));
    ck_assert_str_eq(pem, first_pem);
    ck_assert(tenant->accounts[0].previous_key_until > apr_time_now() + apr_time_from_sec(86000));
    OK(wf_account_find(test_ctx, &doc, &store, company, id));
    ck_assert_str_eq(wf_json_get_str(doc, "public_key", ""), second_pem);
    ck_assert_ptr_nonnull(strstr(last_audit(company), "account.key_rotated|"));
    ck_assert_ptr_nonnull(strstr(last_audit(company), "\"private_key\":\"[redacted]\""));
    ck_assert_ptr_null(strstr(last_audit(company), "wf1:"));
}
END_TEST

START_TEST(a_removed_accounts_name_and_number_are_free_again)
{
    const char *company = new_company("freed"), *id = new_account(company, "A", "5511000000013");
    const char *text;
    size_t len;

    OK(wf_account_remove(test_ctx, &store, company, id, &operator_root));
    ck_assert_int_eq(wf_tenant_record_load(test_ctx, &text, &len, &store, "freed", id),
                     WF_ENOTFOUND);
    ck_assert_int_eq(wf_tenant_record_load(test_ctx, &text, &len, &store, "freed", "5511000000013"),
                     WF_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(last_audit(company), "account.deleted|"));
    ck_assert_str_ne(new_account(company, "A", "5511000000013"), id);
}
END_TEST

/* ---- the tenant record
 * ------------------------------------------------------------------------------- */

START_TEST(the_tenant_record_has_the_account_that_is_named)
{
    const char *company = new_company_on("record", "pro"), *second, *text;
    wf_tenant_t *tenant;
    wf_account_new_t a = account_named("Second", "5511000000015");
    size_t len;

    new_account(company, "First", "5511000000014");
    a.status = "inactive";
    OK(wf_account_create(test_ctx, &second, &store, ring, company, &a, 0, &operator_root));
    tenant = tenant_of("record", NULL);
    ck_assert_str_eq(tenant->company.id, company);
    ck_assert_str_eq(tenant->company.plan, "pro");
    ck_assert_int_eq((int)tenant->company.monthly_max, 100000);
    ck_assert_str_eq(tenant->accounts[0].name, "First");
    ck_assert(tenant->accounts[0].is_default);
    tenant = tenant_of("record", "5511000000015");
    ck_assert_str_eq(tenant->accounts[0].id, second);
    ck_assert_str_eq(tenant->accounts[0].status, "inactive");
    tenant = tenant_of("record", second);
    ck_assert_str_eq(tenant->accounts[0].phone_number_id, "5511000000015");
    ck_assert_int_eq((int)wf_json_len(tenant->data_keys), 1);
    ck_assert_int_eq(wf_tenant_record_load(test_ctx, &text, &len, &store, "record", "55110000"),
                     WF_ENOTFOUND);
    ck_assert_int_eq(wf_tenant_record_load(test_ctx, &text, &len, &store, "record", "x'y"),
                     WF_ENOTFOUND);
    ck_assert_int_eq(wf_tenant_record_load(test_ctx, &text, &len, &store, "nobody", NULL),
                     WF_ENOTFOUND);
    ck_assert_ptr_null(text);
    /* Another company's account is no account of this one. */
    new_company("record-b");
    ck_assert_int_eq(wf_tenant_record_load(test_ctx, &text, &len, &store, "record-b", second),
                     WF_ENOTFOUND);
}
END_TEST

START_TEST(the_other_accounts_are_the_active_ones_and_seven_at_most)
{
    const char *company = new_company("others"), *first = NULL, *text;
    wf_tenant_t *tenant;
    size_t len;
    int i;

    for (i = 0; i < 10; i++) {
        const char *id = new_account(company, apr_psprintf(test_pool, "A%d", i),
                                     apr_psprintf(test_pool, "55110000001%d", i));
        first = first ? first : id;
        if (i == 1) {
            OK(wf_account_update(test_ctx, &store, ring, company, id,
                                 json("{\"status\": \"suspended\"}"), -1, &operator_root));
        }
    }
    OK(wf_tenant_others_load(test_ctx, &text, &len, &store, company, first));
    ck_assert_int_eq((int)wf_json_len(json(text)), 7);
    ck_assert_ptr_null(strstr(text, "\"A1\""));
    ck_assert_ptr_null(strstr(text, first));
    tenant = tenant_of("others", NULL);
    OK(wf_tenant_add_accounts(test_ctx, tenant, text, len));
    ck_assert_int_eq(tenant->account_count, WF_TENANT_ACCOUNTS_MAX);
    OK(wf_tenant_others_load(test_ctx, &text, &len, &store, new_company("others-b"), NULL));
    ck_assert_str_eq(text, "[]");
}
END_TEST

/* ---- flows
 * --------------------------------------------------------------------------------------------- */

static wf_flow_new_t flow_named(const char *name, const char *plan)
{
    return (wf_flow_new_t){
        .name = name, .flow_json = "{\"version\": \"7.0\"}", .plan = plan, .activate = 1};
}

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

/* ---- data keys
 * -------------------------------------------------------------------------------------------- */

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
    OK(wf_account_app_secret(test_ctx, &secret, &store, ring, company, id));
    OK(wf_account_update(test_ctx, &store, ring, company, id, json("{\"app_secret\": \"second\"}"),
                         -1, &operator_root));
    tenant = tenant_of("retire", id);
    ck_assert(strncmp(tenant->accounts[0].app_secret + 4, fresh.id, WF_UUID_LEN) == 0);
    OK(wf_account_secret(test_ctx, &secret, tenant, &tenant->accounts[0], ring,
                         "previous_app_secret", tenant->accounts[0].previous_app_secret));
    ck_assert_str_eq((char *)secret.data, "first");
}
END_TEST

/* ---- usage, audit
 * --------------------------------------------------------------------------------------------- */

START_TEST(usage_adds_up_by_company_month_and_metric)
{
    const char *a = new_company("usage-a"), *b = new_company("usage-b");
    int64_t n;

    OK(wf_usage_add(test_ctx, &store, a, "2026-11", "messages", 5));
    OK(wf_usage_add(test_ctx, &store, a, "2026-11", "messages", 7));
    OK(wf_usage_add(test_ctx, &store, a, "2026-12", "messages", 1));
    OK(wf_usage_load(test_ctx, &n, &store, a, "2026-11", "messages"));
    ck_assert_int_eq((int)n, 12);
    OK(wf_usage_load(test_ctx, &n, &store, b, "2026-11", "messages"));
    ck_assert_int_eq((int)n, 0);
    ck_assert_int_eq(wf_usage_add(test_ctx, &store, a, "2026-13", "messages", 1), WF_EINVALID);
    wf_ctx_clear(test_ctx);
    FAILS(wf_usage_add(test_ctx, &store, "x", "2026-11", "messages", 1), WF_ENOTFOUND,
          "no such company");
}
END_TEST

START_TEST(the_platforms_own_audit_rows_have_the_nil_company)
{
    static const wf_audit_t row = {NULL, "platform.tested", "platform",  NULL,
                                   NULL, "{\"a\": 1}",      "{\"b\": 2}"};
    const wf_actor_t actor = {"user:x", "00000000-0000-7000-8000-00000000abcd", NULL, NULL};
    wf_pg_conn_t *conn;

    test_ctx->request_id = "req-1";
    OK(wf_pg_acquire(test_ctx, &conn, store.pg));
    OK(wf_pg_begin(test_ctx, conn, NULL));
    OK(wf_pg_exec(test_ctx, NULL, conn, wf_sql(WF_SQL_ROLE_PLATFORM), NULL));
    OK(wf_audit_add(test_ctx, conn, &row, &actor));
    OK(wf_pg_commit(test_ctx, conn));
    wf_pg_release(store.pg, conn);
    ck_assert_str_eq(ask("select concat_ws('|', user_id, actor, request_id, new_values::text,"
                         " metadata::text) from wflows.audit_logs where action = 'platform.tested'"
                         " and company_id = '00000000-0000-0000-0000-000000000000'"),
                     "00000000-0000-7000-8000-00000000abcd|user:x|req-1|{\"a\": 1}|{\"b\": 2}");
}
END_TEST

/* ---- cache
 * -----------------------------------------------------------------------------------------------------
 */

START_TEST(a_change_deletes_the_companys_contexts_and_raises_its_generation)
{
    const char *company = new_company("cached");
    int generation = atoi(REDIS("GET", "wf:{cached}:gen"));

    REDIS("SET", "wf:{cached}:ctx:default", "x");
    REDIS("SET", "wf:{cached}:ctx:5511", "x");
    REDIS("SADD", "wf:{cached}:ctx-index", "wf:{cached}:ctx:default", "wf:{cached}:ctx:5511");
    REDIS("SET", "wf:{cached}:ctx-others", "x");
    REDIS("SET", "wf:{cached}:flow:f", "x");
    REDIS("SET", "wf:{other}:ctx:default", "x");
    OK(wf_company_update(test_ctx, &store, company, json("{\"name\": \"N\"}"), &operator_root));
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cached}:ctx:default", "wf:{cached}:ctx:5511",
                           "wf:{cached}:ctx-index", "wf:{cached}:ctx-others"),
                     "0");
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cached}:flow:f", "wf:{other}:ctx:default"), "2");
    ck_assert_int_eq(atoi(REDIS("GET", "wf:{cached}:gen")), generation + 1);
    ck_assert_int_gt(atoi(REDIS("TTL", "wf:{cached}:gen")), WF_TTL_GENERATION_S - 60);
    ck_assert_str_eq(outbox_statuses(company), "done");
}
END_TEST

START_TEST(a_flows_change_deletes_its_plans_and_no_context)
{
    const char *company = new_company("cachedflow"), *id;
    wf_flow_new_t f = flow_named("f", "plan");
    int version, generation;

    REDIS("SET", "wf:{cachedflow}:flow:f", "x");
    REDIS("SET", "wf:{cachedflow}:flow:g", "x");
    REDIS("SET", "wf:{cachedflow}:ctx:default", "x");
    REDIS("SADD", "wf:{cachedflow}:ctx-index", "wf:{cachedflow}:ctx:default");
    generation = atoi(REDIS("GET", "wf:{cachedflow}:gen"));
    OK(wf_flow_save(test_ctx, &id, &version, &store, company, &f, 0, &operator_root));
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cachedflow}:flow:f"), "0");
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cachedflow}:flow:g", "wf:{cachedflow}:ctx:default"), "2");
    ck_assert_int_eq(atoi(REDIS("GET", "wf:{cachedflow}:gen")), generation + 1);
    REDIS("SET", "wf:{cachedflow}:flow:f", "x");
    OK(wf_flow_set_status(test_ctx, &store, company, id, "inactive", &operator_root));
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cachedflow}:flow:f"), "0");
    REDIS("SET", "wf:{cachedflow}:flow:f", "x");
    /* The slug's next owner may have a flow of the same name. */
    OK(wf_company_remove(test_ctx, &store, company, &operator_root));
    ck_assert_str_eq(REDIS("EXISTS", "wf:{cachedflow}:flow:f", "wf:{cachedflow}:ctx:default"), "0");
}
END_TEST

START_TEST(without_redis_a_change_is_made_and_its_outbox_row_waits)
{
    const char *company = new_company("no-redis");
    wf_store_t dead = store;

    dead.redis = redis_at("/nonexistent/redis.sock");
    OK(wf_company_update(test_ctx, &dead, company, json("{\"name\": \"N\"}"), &operator_root));
    ck_assert_ptr_null(test_ctx->err.detail);
    ck_assert_str_eq(outbox_statuses(company), "done,pending");
    ck_assert_str_eq(ask("select concat_ws('|', consumer, event_type, payload::text,"
                         " next_attempt_at > now()) from wflows.outbox where company_id = '%s'"
                         " and status = 'pending'",
                         company),
                     "cache|cache.forget|{\"slug\":\"no-redis\",\"contexts\":true,\"flows\":[]}|t");
    dead.redis = NULL;
    OK(wf_company_update(test_ctx, &dead, company, json("{\"name\": \"M\"}"), &operator_root));
    ck_assert_int_eq(wf_cache_forget_company(test_ctx, &dead, "no-redis"), WF_EUNAVAIL);
    ck_assert_int_eq(wf_cache_forget_flow(test_ctx, &dead, "no-redis", "f"), WF_EUNAVAIL);
    OK(wf_cache_forget_company(test_ctx, &store, "no-redis"));
    OK(wf_cache_forget_flow(test_ctx, &store, "no-redis", "f"));
}
END_TEST

START_TEST(without_postgresql_everything_is_unavailable_and_nothing_is_a_miss)
{
    wf_store_t dead = store;
    wf_pg_conf_t conf = {.conninfo = "host=/nonexistent user=wflows_app dbname=x",
                         .connect_timeout = apr_time_from_sec(1),
                         .statement_timeout = apr_time_from_sec(1),
                         .pool = {.name = "PostgreSQL",
                                  .max = 1,
                                  .acquire_timeout = apr_time_from_sec(1),
                                  .retry_interval = apr_time_from_sec(1)}};
    const char *text;
    size_t len;

    OK(wf_pg_make(test_ctx, &dead.pg, test_pool, &conf));
    ck_assert_int_eq(wf_tenant_record_load(test_ctx, &text, &len, &dead, "acme", NULL),
                     WF_EUNAVAIL);
    ck_assert_int_eq(wf_company_update(test_ctx, &dead, "00000000-0000-7000-8000-000000000000",
                                       json("{}"), &operator_root),
                     WF_EUNAVAIL);
}
END_TEST

/* ---- sessions: the functions of schema/0006
 * ------------------------------------------------------------------------ */

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
                                    response};
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
    tcase_add_test(tc, a_company_is_made_with_its_data_key_audit_row_and_finished_outbox_row);
    tcase_add_test(tc, a_taken_slug_says_so_and_leaves_nothing_behind);
    tcase_add_test(tc, every_bad_value_of_a_company_is_named_at_once);
    tcase_add_test(tc, the_installations_limit_of_companies_counts_the_living);
    tcase_add_test(tc, a_removed_company_is_gone_and_its_slug_is_free);
    tcase_add_test(tc, updating_a_company_changes_what_is_given_and_merges_its_settings);
    tcase_add_test(tc, an_update_that_changes_nothing_writes_no_audit_row);
    tcase_add_test(tc, members_a_company_does_not_have_or_may_not_change_are_refused);
    tcase_add_test(tc, settings_cannot_grow_past_their_limit_by_merging);
    tcase_add_test(tc, suspending_and_activating_a_company_are_actions_of_their_own);
    tcase_add_test(tc, companies_are_listed_in_pages_by_id);
    tcase_add_test(tc, an_accounts_secrets_are_sealed_in_the_row_and_readable_for_the_tenant);
    tcase_add_test(
        tc, an_account_is_found_by_id_name_or_phone_number_id_and_never_from_another_company);
    tcase_add_test(tc, every_bad_value_of_an_account_is_named);
    tcase_add_test(tc, the_tighter_of_plan_and_installation_limits_the_accounts);
    tcase_add_test(tc, exactly_one_account_is_the_default);
    tcase_add_test(tc, a_new_app_secret_leaves_the_old_one_valid_for_the_overlap);
    tcase_add_test(tc, a_secret_of_one_account_does_not_decrypt_in_anothers_row_or_column);
    tcase_add_test(tc, ids_in_capital_letters_name_the_same_records);
    tcase_add_test(tc, a_new_key_becomes_current_and_the_old_one_stays_readable);
    tcase_add_test(tc, a_removed_accounts_name_and_number_are_free_again);
    tcase_add_test(tc, the_tenant_record_has_the_account_that_is_named);
    tcase_add_test(tc, the_other_accounts_are_the_active_ones_and_seven_at_most);
    tcase_add_test(tc, saving_a_flow_again_adds_a_version_and_old_ones_stay);
    tcase_add_test(tc, an_inactive_or_removed_flow_has_no_plan);
    tcase_add_test(tc, flows_are_limited_and_belong_to_an_account_of_their_company);
    tcase_add_test(tc, rewrapping_moves_every_key_to_the_primary_and_goes_on_where_it_stopped);
    tcase_add_test(tc,
                   a_secret_sealed_with_a_retired_data_key_is_still_read_and_new_ones_use_the_new);
    tcase_add_test(tc, usage_adds_up_by_company_month_and_metric);
    tcase_add_test(tc, the_platforms_own_audit_rows_have_the_nil_company);
    tcase_add_test(tc, a_change_deletes_the_companys_contexts_and_raises_its_generation);
    tcase_add_test(tc, a_flows_change_deletes_its_plans_and_no_context);
    tcase_add_test(tc, without_redis_a_change_is_made_and_its_outbox_row_waits);
    tcase_add_test(tc, without_postgresql_everything_is_unavailable_and_nothing_is_a_miss);
    tcase_add_test(tc, a_session_step_is_committed_once_and_a_late_one_gets_the_stored_record);
    tcase_add_test(tc, one_pipeline_may_hold_steps_of_several_companies);
    tcase_add_test(tc, an_error_notification_is_kept_once);
}

int main(void)
{
    return wf_test_store_main("store", add_tests);
}
