#include "tenant/wf_token.h"
#include "wf_test.h"

#include <string.h>

#define COMPANY "0190163d-8694-739b-aea5-966c26f8ad91"
#define ACCOUNT "0190163d-8694-739b-aea5-966c26f8ad92"
#define FLOW "0190163d-8694-739b-aea5-966c26f8ad93"
#define EXPIRY apr_time_from_sec(2000000000)

/* Made with Python's hmac: data key 00…1f, the ids above, expiry 2000000000, random bytes 00…0f. */
#define TOKEN_BODY \
    "AZAWPYaUc5uupZZsJvitkQGQFj2GlHObrqWWbCb4rZIBkBY9hpRzm66llmwm-K2TdzWUAAABAgMEBQYHCAkKCwwNDg8"
#define TOKEN "wfb1." TOKEN_BODY ".jpnupowoRzbQsp69I5TJGQ"

static apr_time_t fixed_now;

static apr_time_t fixed_clock(void *baton)
{
    return fixed_now;
}

static wf_data_key_t data_key(void)
{
    wf_data_key_t key = {.id = "0190163d-8694-739b-aea5-966c26f8ad99"};
    int i;

    for (i = 0; i < 32; i++) {
        key.key[i] = (unsigned char)i;
    }
    fixed_now = apr_time_from_sec(1700000000);
    test_ctx->clock = fixed_clock;
    return key;
}

START_TEST(a_token_of_another_implementation_is_understood)
{
    wf_data_key_t key = data_key();
    wf_token_claims_t claims;

    ck_assert(wf_token_is_bound(TOKEN));
    ck_assert_int_eq(wf_token_check(test_ctx, &claims, &key, COMPANY, TOKEN), WF_OK);
    ck_assert_str_eq(claims.company_id, COMPANY);
    ck_assert_str_eq(claims.account_id, ACCOUNT);
    ck_assert_str_eq(claims.flow_id, FLOW);
    ck_assert_int_eq(claims.expires_at, EXPIRY);
    ck_assert_int_eq(claims.expired, 0);
}
END_TEST

START_TEST(an_issued_token_comes_back_and_two_are_never_alike)
{
    wf_data_key_t key = data_key();
    wf_token_claims_t claims;
    const char *one, *two;

    ck_assert_int_eq(wf_token_issue(test_ctx, &one, &key, COMPANY, ACCOUNT, FLOW, EXPIRY), WF_OK);
    ck_assert_int_eq(wf_token_issue(test_ctx, &two, &key, COMPANY, ACCOUNT, FLOW, EXPIRY), WF_OK);
    ck_assert_str_ne(one, two);
    ck_assert_uint_eq(strlen(one), WF_TOKEN_BOUND_LEN);
    ck_assert_int_eq(strncmp(one, TOKEN, 60), 0); /* the ids stand in front */
    ck_assert(wf_token_is_bound(one));
    ck_assert_int_eq(wf_token_check(test_ctx, &claims, &key, COMPANY, one), WF_OK);
    ck_assert_str_eq(claims.flow_id, FLOW);
    ck_assert_int_eq(claims.expires_at, EXPIRY);
}
END_TEST

START_TEST(an_expired_token_says_so_and_is_still_known)
{
    wf_data_key_t key = data_key();
    wf_token_claims_t claims;

    fixed_now = EXPIRY - 1;
    ck_assert_int_eq(wf_token_check(test_ctx, &claims, &key, COMPANY, TOKEN), WF_OK);
    ck_assert_int_eq(claims.expired, 0);
    fixed_now = EXPIRY;
    ck_assert_int_eq(wf_token_check(test_ctx, &claims, &key, COMPANY, TOKEN), WF_OK);
    ck_assert_int_eq(claims.expired, 1);
    ck_assert_str_eq(claims.account_id, ACCOUNT);
}
END_TEST

START_TEST(a_token_is_worth_nothing_at_another_company_or_under_another_key)
{
    wf_data_key_t key = data_key(), other = key;
    wf_token_claims_t claims;

    ck_assert_int_eq(wf_token_check(test_ctx, &claims, &key, ACCOUNT, TOKEN), WF_EDENIED);
    ck_assert_str_eq(claims.company_id, "");
    ck_assert_int_eq(wf_token_check(test_ctx, &claims, &key, "", TOKEN), WF_EDENIED);
    other.key[31] ^= 0x80;
    ck_assert_int_eq(wf_token_check(test_ctx, &claims, &other, COMPANY, TOKEN), WF_EDENIED);
}
END_TEST

/* Every other character at every position: also those that base64 would read as the same bytes. */
START_TEST(a_token_has_exactly_one_spelling)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. ";
    wf_data_key_t key = data_key();
    wf_token_claims_t claims;
    char text[] = TOKEN;
    const char *c;
    size_t i;

    for (i = 0; i < strlen(TOKEN); i++) {
        char kept = text[i];
        for (c = alphabet; *c; c++) {
            if (*c == kept) {
                continue;
            }
            text[i] = *c;
            ck_assert_msg(wf_token_check(test_ctx, &claims, &key, COMPANY, text) == WF_EDENIED,
                          "'%c' at %zu", *c, i);
        }
        text[i] = kept;
        apr_pool_clear(test_pool);
        test_ctx = wf_ctx_make(test_pool, NULL);
    }
    ck_assert_int_eq(wf_token_check(test_ctx, &claims, &key, COMPANY, text), WF_OK);
}
END_TEST

START_TEST(other_texts_are_not_bound_tokens)
{
    static const char *const texts[] = {"",
                                        "wfb1",
                                        "wfb1.",
                                        "unused",
                                        "flows-builder-1a2b",
                                        "wfb2." TOKEN_BODY,
                                        "wfb1..",
                                        TOKEN "x",
                                        TOKEN ".",
                                        " " TOKEN,
                                        "wfb1." TOKEN_BODY,
                                        "wfb1." TOKEN_BODY ".",
                                        "wfb1." TOKEN_BODY ".jpnupowoRzbQsp69I5TJG"};
    wf_data_key_t key = data_key();
    wf_token_claims_t claims;
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(!wf_token_is_bound(texts[i]), "%s", texts[i]);
        ck_assert_int_eq(wf_token_check(test_ctx, &claims, &key, COMPANY, texts[i]), WF_EDENIED);
    }
    ck_assert(!wf_token_is_bound(NULL));
    ck_assert_int_eq(wf_token_check(test_ctx, &claims, &key, COMPANY, NULL), WF_EDENIED);
}
END_TEST

START_TEST(a_token_is_not_issued_for_bad_ids_or_impossible_times)
{
    wf_data_key_t key = data_key();
    const char *text;

    ck_assert_int_eq(wf_token_issue(test_ctx, &text, &key, "acme", ACCOUNT, FLOW, EXPIRY),
                     WF_EINVALID);
    ck_assert_ptr_null(text);
    ck_assert_int_eq(wf_token_issue(test_ctx, &text, &key, COMPANY, "", FLOW, EXPIRY), WF_EINVALID);
    ck_assert_int_eq(wf_token_issue(test_ctx, &text, &key, COMPANY, ACCOUNT, "1", EXPIRY),
                     WF_EINVALID);
    ck_assert_int_eq(wf_token_issue(test_ctx, &text, &key, COMPANY, ACCOUNT, FLOW, 0), WF_EINVALID);
    ck_assert_int_eq(wf_token_issue(test_ctx, &text, &key, COMPANY, ACCOUNT, FLOW,
                                    apr_time_from_sec(INT64_C(4294967296))),
                     WF_EINVALID);
    ck_assert_int_eq(wf_token_issue(test_ctx, &text, &key, COMPANY, ACCOUNT, FLOW,
                                    apr_time_from_sec(INT64_C(4294967295))),
                     WF_OK);
}
END_TEST

/* WHATSAPP.md 1.7 and 1.18 */
#define JWT                                                                \
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJmbG93X3Rva2VuIjoidG9rLTEifQ." \
    "qNs8SotJv8cVDlzP3nPMqKG85kb8oYT9KM8DxQxTizM"

static const char *sign(const char *payload)
{
    unsigned char mac[WF_SHA256_LEN];
    const char *text = apr_pstrcat(test_pool, "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
                                   wf_base64url(test_pool, payload, strlen(payload)), NULL);

    wf_hmac_sha256(mac, "app-secret-1", 12, text, strlen(text));
    return apr_pstrcat(test_pool, text, ".", wf_base64url(test_pool, mac, sizeof(mac)), NULL);
}

START_TEST(a_token_signature_speaks_of_one_token)
{
    ck_assert(wf_token_signature_ok(test_ctx, JWT, "tok-1", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, JWT, "tok-2", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, JWT, "tok-", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, JWT, "tok-11", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, JWT, "", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, JWT, "tok-1", "app-secret-2", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, JWT, "tok-1", "", 0));
    ck_assert(!wf_token_signature_ok(test_ctx, JWT, "tok-1", NULL, 0));
    ck_assert(!wf_token_signature_ok(test_ctx, JWT, NULL, "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, NULL, "tok-1", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, "", "tok-1", "app-secret-1", 12));
    ck_assert_int_eq(test_ctx->err.status, WF_OK);
}
END_TEST

START_TEST(a_signed_payload_without_the_token_proves_nothing)
{
    ck_assert(wf_token_signature_ok(test_ctx, sign("{\"iat\":1,\"flow_token\":\"t\"}"), "t",
                                    "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, sign("{}"), "t", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, sign("[]"), "t", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, sign("\"t\""), "t", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, sign("t"), "t", "app-secret-1", 12));
    ck_assert(
        !wf_token_signature_ok(test_ctx, sign("{\"flow_token\":1}"), "1", "app-secret-1", 12));
    ck_assert(!wf_token_signature_ok(test_ctx, sign("{\"flow_token\":\"t\\u0000x\"}"), "t",
                                     "app-secret-1", 12));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("token");
    TCase *tc = wf_test_case(s, "token");

    tcase_add_test(tc, a_token_of_another_implementation_is_understood);
    tcase_add_test(tc, an_issued_token_comes_back_and_two_are_never_alike);
    tcase_add_test(tc, an_expired_token_says_so_and_is_still_known);
    tcase_add_test(tc, a_token_is_worth_nothing_at_another_company_or_under_another_key);
    tcase_add_test(tc, a_token_has_exactly_one_spelling);
    tcase_add_test(tc, other_texts_are_not_bound_tokens);
    tcase_add_test(tc, a_token_is_not_issued_for_bad_ids_or_impossible_times);
    tcase_add_test(tc, a_token_signature_speaks_of_one_token);
    tcase_add_test(tc, a_signed_payload_without_the_token_proves_nothing);
    return wf_test_run(s);
}
