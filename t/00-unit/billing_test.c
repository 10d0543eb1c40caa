#include "webhook/wf_billing.h"
#include "wf_test.h"

#include <string.h>

/* printf '1492774577.{"id":"evt_1","object":"event"}' | openssl dgst -sha256 -hmac whsec_test_secret: the
 * scheme as Stripe's documentation has it ("Verify webhook signatures manually"). */
#define SECRET "whsec_test_secret"
#define SENT 1492774577
#define BODY "{\"id\":\"evt_1\",\"object\":\"event\"}"
#define MAC "654b43d3508ecadb3f8cefc4bc7d3d2bdc5ba9e03bf2c89b2d0657a8e24e4543"
#define OTHER_MAC "2be5bc863a4b37f4f12289d93fea043489baf21ffad6a20e5f4f1b0d2f5c2425"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static apr_time_t fixed_now;

static apr_time_t fixed_clock(void *baton)
{
    return fixed_now;
}

static wf_status_t verify_at(int64_t now, const char *header, const char *secret,
                             const char *second, const char *body)
{
    wf_secret_t secrets[2] = {{(unsigned char *)secret, secret ? strlen(secret) : 0},
                              {(unsigned char *)second, second ? strlen(second) : 0}};

    fixed_now = apr_time_from_sec(now);
    test_ctx->clock = fixed_clock;
    wf_ctx_clear(test_ctx);
    return wf_billing_verify(test_ctx, header, secrets, second ? 2 : 1, body, strlen(body),
                             WF_BILLING_TOLERANCE);
}

static wf_status_t verify(const char *header)
{
    return verify_at(SENT, header, SECRET, NULL, BODY);
}

START_TEST(a_signature_made_by_stripes_scheme_is_good)
{
    ck_assert_int_eq(verify("t=1492774577,v1=" MAC), WF_OK);
    ck_assert_int_eq(verify("t=1492774577,v1=" MAC ",v0=" ZEROS), WF_OK);
    ck_assert_int_eq(verify("v1=" MAC ",t=1492774577"), WF_OK);
    ck_assert_int_eq(verify("t=1492774577, v1=" OTHER_MAC ", v1=" MAC), WF_OK);
}
END_TEST

START_TEST(either_of_two_secrets_may_have_signed)
{
    ck_assert_int_eq(verify_at(SENT, "t=1492774577,v1=" MAC, "other", SECRET, BODY), WF_OK);
    ck_assert_int_eq(verify_at(SENT, "t=1492774577,v1=" OTHER_MAC, "other", SECRET, BODY), WF_OK);
    ck_assert_int_eq(verify("t=1492774577,v1=" OTHER_MAC), WF_EDENIED);
    ck_assert_int_eq(verify_at(SENT, "t=1492774577,v1=" MAC, "", NULL, BODY), WF_EDENIED);
}
END_TEST

START_TEST(what_is_not_signed_so_is_refused)
{
    static const char *const bad[] = {
        "",
        ",",
        "t=1492774577",
        "v1=" MAC,
        "t=,v1=" MAC,
        "t=1492774577,v0=" MAC,
        "t=1492774577,v1=",
        "t=1492774577,v1=" MAC "00",
        "t=1492774577,v1=zz" MAC,
        "t=1492774578,v1=" MAC,
        "t=01492774577,v1=" MAC,
        "t=-1492774577,v1=" MAC,
        "t=1492774577,t=1492774577,v1=" MAC,
        "t=99999999999999999999999,v1=" MAC,
        "T=1492774577,V1=" MAC,
        "t=1492774577;v1=" MAC,
    };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(verify(bad[i]) == WF_EDENIED, "%s", bad[i]);
    }
    ck_assert_int_eq(verify(NULL), WF_EDENIED);
    ck_assert_int_eq(verify_at(SENT, "t=1492774577,v1=" MAC, SECRET, NULL, BODY " "), WF_EDENIED);
    ck_assert_int_eq(verify_at(SENT, "t=1492774577,v1=" MAC, SECRET, NULL, ""), WF_EDENIED);
}
END_TEST

START_TEST(a_signature_older_than_five_minutes_is_refused)
{
    ck_assert_int_eq(verify_at(SENT + 300, "t=1492774577,v1=" MAC, SECRET, NULL, BODY), WF_OK);
    ck_assert_int_eq(verify_at(SENT + 301, "t=1492774577,v1=" MAC, SECRET, NULL, BODY), WF_EDENIED);
    ck_assert_int_eq(verify_at(SENT - 300, "t=1492774577,v1=" MAC, SECRET, NULL, BODY), WF_OK);
    ck_assert_int_eq(verify_at(SENT - 301, "t=1492774577,v1=" MAC, SECRET, NULL, BODY), WF_EDENIED);
}
END_TEST

/* ---- events ----------------------------------------------------------------------------- */

static wf_status_t parse(wf_billing_event_t *e, const char *text)
{
    wf_ctx_clear(test_ctx);
    return wf_billing_event_parse(test_ctx, e, text, strlen(text));
}

static wf_billing_event_t event(const char *type, const char *object)
{
    wf_billing_event_t e;

    ck_assert_int_eq(
        parse(&e, apr_psprintf(test_pool,
                               "{\"id\":\"evt_1\",\"type\":\"%s\",\"created\":100,"
                               "\"data\":{\"object\":%s}}",
                               type, object)),
        WF_OK);
    return e;
}

#define UUID "01900000-0000-7000-8000-00000000000a"

START_TEST(a_checkout_names_company_customer_and_subscription)
{
    wf_billing_event_t e = event("checkout.session.completed",
                                 "{\"id\":\"cs_1\",\"customer\":\"cus_1\",\"subscription\":\"sub_1\","
                                 "\"client_reference_id\":\"" UUID "\",\"payment_status\":\"paid\","
                                 "\"metadata\":{\"plan\":\"pro\"}}");

    ck_assert_int_eq(e.kind, WF_BILLING_CHECKOUT);
    ck_assert_str_eq(e.company_id, UUID);
    ck_assert_str_eq(e.customer_id, "cus_1");
    ck_assert_str_eq(e.subscription_id, "sub_1");
    ck_assert_str_eq(e.plan, "pro");
    ck_assert_str_eq(e.status, "active");
    e = event("checkout.session.completed",
              "{\"id\":\"cs_1\",\"client_reference_id\":\"evil\",\"payment_status\":\"unpaid\","
              "\"metadata\":{\"company_slug\":\"acme\"}}");
    ck_assert_str_eq(e.company_slug, "acme");
    ck_assert_ptr_null(e.company_id);
    ck_assert_str_eq(e.status, "incomplete");
    e = event("checkout.session.completed", "{\"client_reference_id\":\"acme\"}");
    ck_assert_str_eq(e.company_slug, "acme");
    e = event("checkout.session.completed", "{\"client_reference_id\":\"Not A Slug\"}");
    ck_assert_ptr_null(e.company_slug);
}
END_TEST

START_TEST(a_subscription_names_its_plan_by_metadata_or_price)
{
    static const char price[] = "\"items\":{\"data\":[{\"current_period_end\":700,\"price\":{"
                                "\"lookup_key\":\"pro_monthly\",\"metadata\":{%s}}}]}";
    wf_billing_event_t e = event(
        "customer.subscription.updated",
        apr_psprintf(test_pool, "{\"id\":\"sub_1\",\"customer\":{\"id\":\"cus_1\"},\"status\":"
                                "\"trialing\",%s}",
                     apr_psprintf(test_pool, price, "")));

    ck_assert_int_eq(e.kind, WF_BILLING_SUBSCRIPTION);
    ck_assert_str_eq(e.plan, "pro_monthly");
    ck_assert_str_eq(e.customer_id, "cus_1");
    ck_assert_str_eq(e.subscription_id, "sub_1");
    ck_assert_int_eq(e.period_end, 700);
    e = event("customer.subscription.created",
              apr_psprintf(test_pool, "{\"id\":\"sub_1\",\"current_period_end\":600,%s}",
                           apr_psprintf(test_pool, price, "\"plan\":\"enterprise\"")));
    ck_assert_str_eq(e.plan, "enterprise");
    ck_assert_int_eq(e.period_end, 600);
    e = event("customer.subscription.deleted",
              apr_psprintf(test_pool, "{\"id\":\"sub_1\",\"metadata\":{\"plan\":\"pro\"},%s}",
                           apr_psprintf(test_pool, price, "\"plan\":\"enterprise\"")));
    ck_assert_str_eq(e.plan, "pro");
    ck_assert_int_eq(e.kind, WF_BILLING_ENDED);
}
END_TEST

START_TEST(an_invoice_names_its_subscription_in_old_and_new_api_versions)
{
    wf_billing_event_t e = event("invoice.paid", "{\"id\":\"in_1\",\"subscription\":\"sub_1\","
                                                 "\"subscription_details\":{\"metadata\":"
                                                 "{\"company_slug\":\"acme\"}}}");

    ck_assert_int_eq(e.kind, WF_BILLING_PAID);
    ck_assert_str_eq(e.subscription_id, "sub_1");
    ck_assert_str_eq(e.company_slug, "acme");
    e = event("invoice.payment_failed",
              "{\"id\":\"in_1\",\"parent\":{\"subscription_details\":{\"subscription\":\"sub_2\","
              "\"metadata\":{\"company_id\":\"" UUID "\"}}}}");
    ck_assert_int_eq(e.kind, WF_BILLING_FAILED);
    ck_assert_str_eq(e.subscription_id, "sub_2");
    ck_assert_str_eq(e.company_id, UUID);
    ck_assert_int_eq(event("invoice.payment_succeeded", "{}").kind, WF_BILLING_PAID);
    ck_assert_int_eq(event("charge.refunded", "{\"subscription\":\"sub_1\"}").kind,
                     WF_BILLING_OTHER);
    ck_assert_ptr_null(event("charge.refunded", "{\"subscription\":\"sub_1\"}").subscription_id);
}
END_TEST

START_TEST(what_is_no_event_is_refused_and_odd_members_are_left_out)
{
    static const char *const bad[] = {
        "", "[]", "null", "{}", "{\"id\":\"evt_1\"}",
        "{\"id\":1,\"type\":\"a\",\"created\":1,\"data\":{\"object\":{}}}",
        "{\"id\":\"e\",\"type\":\"a b\",\"created\":1,\"data\":{\"object\":{}}}",
        "{\"id\":\"e\",\"type\":\"a\",\"created\":0,\"data\":{\"object\":{}}}",
        "{\"id\":\"e\",\"type\":\"a\",\"created\":1e300,\"data\":{\"object\":{}}}",
        "{\"id\":\"e\",\"type\":\"a\",\"created\":-5,\"data\":{\"object\":{}}}",
        "{\"id\":\"e\",\"type\":\"a\",\"created\":1,\"data\":{\"object\":[]}}",
        "{\"id\":\"e\\u0000\",\"type\":\"a\",\"created\":1,\"data\":{\"object\":{}}}",
    };
    wf_billing_event_t e;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(parse(&e, bad[i]) == WF_EINVALID, "%s", bad[i]);
    }
    e = event("customer.subscription.updated",
              "{\"id\":[1],\"customer\":{\"id\":7},\"status\":\"a b\",\"items\":[],"
              "\"current_period_end\":-1,\"metadata\":\"x\"}");
    ck_assert_ptr_null(e.subscription_id);
    ck_assert_ptr_null(e.customer_id);
    ck_assert_ptr_null(e.status);
    ck_assert_int_eq(e.period_end, 0);
}
END_TEST

/* ---- the state -------------------------------------------------------------------------- */

#define MAX 8

/* "sub type created[ status[ plan]]": one event. */
static wf_billing_event_t fact(const char *text, int number)
{
    static const struct {
        const char *word, *type;
        wf_billing_kind_t kind;
    } words[] = {
        {"checkout", "checkout.session.completed", WF_BILLING_CHECKOUT},
        {"created", "customer.subscription.created", WF_BILLING_SUBSCRIPTION},
        {"updated", "customer.subscription.updated", WF_BILLING_SUBSCRIPTION},
        {"deleted", "customer.subscription.deleted", WF_BILLING_ENDED},
        {"paid", "invoice.paid", WF_BILLING_PAID},
        {"failed", "invoice.payment_failed", WF_BILLING_FAILED},
    };
    wf_billing_event_t e = {0};
    char *copy = apr_pstrdup(test_pool, text), *last, *word;
    size_t i;

    e.id = apr_psprintf(test_pool, "evt_%d", number);
    e.subscription_id = apr_strtok(copy, " ", &last);
    word = apr_strtok(NULL, " ", &last);
    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i].word) == 0) {
            e.type = words[i].type;
            e.kind = words[i].kind;
        }
    }
    ck_assert_ptr_nonnull(e.type);
    e.created = atoi(apr_strtok(NULL, " ", &last));
    e.status = apr_strtok(NULL, " ", &last);
    e.plan = e.status ? apr_strtok(NULL, " ", &last) : NULL;
    return e;
}

static const char *state_of(const wf_billing_event_t *events, const int *order, int count)
{
    wf_billing_event_t copy[MAX];
    wf_billing_state_t state;
    int i;

    for (i = 0; i < count; i++) {
        copy[i] = events[order[i]];
    }
    if (!wf_billing_fold(test_pool, &state, copy, count)) {
        return "none";
    }
    return apr_psprintf(test_pool, "%s %s %s %d", state.subscription_id, state.status,
                        state.plan ? state.plan : "-", (int)state.past_due_since);
}

static int permutations;

static void permute(const char *name, const char *expected, const wf_billing_event_t *events,
                    int *order, int fixed, int count)
{
    int i, other;

    if (fixed == count) {
        const char *got = state_of(events, order, count);
        ck_assert_msg(strcmp(got, expected) == 0, "%s: %s and not %s", name, got, expected);
        permutations++;
        return;
    }
    for (i = fixed; i < count; i++) {
        other = order[fixed], order[fixed] = order[i], order[i] = other;
        permute(name, expected, events, order, fixed + 1, count);
        other = order[fixed], order[fixed] = order[i], order[i] = other;
    }
}

START_TEST(every_order_of_the_same_events_gives_the_same_state)
{
    static const struct {
        const char *expected;
        const char *events[MAX];
    } cases[] = {
        {"none", {NULL}},
        {"s active pro 0", {"s checkout 10 active pro"}},
        {"s active pro 0", {"s checkout 10 active pro", "s created 9 incomplete pro", "s paid 11"}},
        {"s trialing pro 0", {"s checkout 10 active", "s created 9 trialing pro"}},
        {"s incomplete - 0", {"s created 9 incomplete pro", "s failed 9"}},
        {"s past_due pro 20",
         {"s created 9 active pro", "s failed 20", "s updated 20 past_due pro", "s failed 30"}},
        {"s active pro 0",
         {"s created 9 active pro", "s failed 20", "s updated 20 past_due pro", "s paid 40",
          "s updated 40 active pro"}},
        {"s past_due pro 50",
         {"s created 9 active pro", "s failed 20", "s paid 40", "s failed 50", "s failed 60"}},
        {"s active pro 0", {"s created 9 active pro", "s failed 20", "s paid 20"}},
        {"s past_due pro 20", {"s created 9 active pro", "s updated 20 active pro", "s failed 20"}},
        {"s canceled starter 0",
         {"s created 9 active pro", "s updated 20 active enterprise", "s deleted 20 canceled"}},
        {"s canceled starter 0", {"s created 9 active pro", "s deleted 15 canceled",
                                  "s updated 20 active pro"}},
        {"s canceled starter 20",
         {"s created 9 active pro", "s failed 20", "s deleted 60 canceled pro"}},
        {"s canceled starter 0",
         {"s created 9 active pro", "s failed 20", "s deleted 60 canceled pro", "s paid 70"}},
        {"t active enterprise 0",
         {"s created 9 active pro", "s failed 20", "s deleted 60 canceled pro",
          "t created 80 active enterprise", "t paid 80"}},
        {"s active pro 0",
         {"s created 9 active pro", "s paid 9", "t created 80 active enterprise", "t failed 90"}},
        {"s canceled starter 20",
         {"s created 9 active pro", "s failed 20", "s deleted 60", "t created 80 incomplete pro",
          "t failed 80"}},
        {"s paused starter 0", {"s created 9 trialing pro", "s updated 20 paused pro"}},
        {"s active pro 0", {"s updated 20 unpaid pro", "s updated 30 active pro"}},
    };
    wf_billing_event_t events[MAX];
    int order[MAX], count;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (count = 0; cases[i].events[count]; count++) {
            events[count] = fact(cases[i].events[count], count);
            order[count] = count;
        }
        permute(apr_psprintf(test_pool, "case %d", (int)i), cases[i].expected, events, order, 0,
                count);
    }
    ck_assert_int_ge(permutations, 500);
}
END_TEST

START_TEST(kinds_have_names_and_bills_for_something_else_say_nothing)
{
    wf_billing_event_t e = fact("s paid 10", 1);
    wf_billing_state_t state;
    int kind;

    for (kind = WF_BILLING_OTHER; kind <= WF_BILLING_FAILED; kind++) {
        ck_assert_int_eq(wf_billing_kind_find(wf_billing_kind_name((wf_billing_kind_t)kind)), kind);
    }
    ck_assert_int_eq(wf_billing_kind_find("nonsense"), WF_BILLING_OTHER);
    ck_assert_int_eq(wf_billing_kind_find(NULL), WF_BILLING_OTHER);
    e.subscription_id = NULL;
    ck_assert_int_eq(wf_billing_fold(test_pool, &state, &e, 1), 0);
    ck_assert_int_eq(wf_billing_fold(test_pool, &state, &e, 0), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("billing");
    TCase *tc = wf_test_case(s, "billing");

    tcase_add_test(tc, a_signature_made_by_stripes_scheme_is_good);
    tcase_add_test(tc, either_of_two_secrets_may_have_signed);
    tcase_add_test(tc, what_is_not_signed_so_is_refused);
    tcase_add_test(tc, a_signature_older_than_five_minutes_is_refused);
    tcase_add_test(tc, a_checkout_names_company_customer_and_subscription);
    tcase_add_test(tc, a_subscription_names_its_plan_by_metadata_or_price);
    tcase_add_test(tc, an_invoice_names_its_subscription_in_old_and_new_api_versions);
    tcase_add_test(tc, what_is_no_event_is_refused_and_odd_members_are_left_out);
    tcase_add_test(tc, every_order_of_the_same_events_gives_the_same_state);
    tcase_add_test(tc, kinds_have_names_and_bills_for_something_else_say_nothing);
    return wf_test_run(s);
}
