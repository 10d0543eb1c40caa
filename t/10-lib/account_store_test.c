#include "wf_test_store.h"

/* ---- accounts --------------------------------------------------------------------------- */

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

    OK(wf_account_secret_load(test_ctx, &secret, &store, ring, company, id, "app_secret"));
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
    FAILS(wf_account_secret_load(test_ctx, &secret, &store, ring, company, id, "app_secret"), WF_ENOTFOUND,
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
    ck_assert_int_eq(wf_account_secret_load(test_ctx, &secret, &store, ring, company, b_id, "app_secret"),
                     WF_EDENIED);
    wf_ctx_clear(test_ctx);
    ask("update wflows.whatsapp_accounts set app_secret = null, verify_token = app_secret"
        " where id = '%s' returning 1",
        a_id);
    ask("update wflows.whatsapp_accounts set app_secret = verify_token where id = '%s' returning 1",
        a_id);
    OK(wf_account_secret_load(test_ctx, &secret, &store, ring, company, a_id, "app_secret"));
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
    OK(wf_account_secret_load(test_ctx, &secret, &store, ring, upper_company, upper_id, "app_secret"));
    ck_assert_str_eq((char *)secret.data, "two");
    OK(wf_account_secret_load(test_ctx, &secret, &store, ring, company, id, "app_secret"));
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

/* ---- the tenant record ------------------------------------------------------------------ */

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
    ck_assert_int_eq(tenant->data_key_count, 1);
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

static void add_tests(TCase *tc)
{
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
}

int main(void)
{
    return wf_test_store_main("account_store", add_tests);
}
