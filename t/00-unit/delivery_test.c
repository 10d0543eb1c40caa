#include "webhook/wf_delivery.h"
#include "webhook/wf_delivery_schedule.h"
#include "wf_test.h"

#include <string.h>

/* The example that the Standard Webhooks libraries test themselves with. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define SENT 1614265330
#define SENT_TEXT "1614265330"
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
/* The same with the bytes of "plain secret": Python's hmac. */
#define PLAIN_SIGNATURE "v1,gke7k785FD6W2FuaDcrvG3sQcmFE9YVaaAmarK4oi68="
#define TOLERANCE apr_time_from_sec(300)

static apr_time_t fixed_now;

static apr_time_t fixed_clock(void *baton)
{
    return fixed_now;
}

static wf_secret_t secret_of(const char *text)
{
    wf_secret_t secret;

    fixed_now = apr_time_from_sec(SENT);
    test_ctx->clock = fixed_clock;
    ck_assert_int_eq(wf_delivery_secret_parse(test_ctx, &secret, text), WF_OK);
    return secret;
}

static wf_status_t verify(const wf_delivery_headers_t *headers, const wf_secret_t *secrets,
                          int count, const char *body)
{
    wf_ctx_clear(test_ctx);
    return wf_delivery_verify(test_ctx, headers, secrets, count, body, strlen(body), TOLERANCE);
}

START_TEST(a_delivery_is_signed_as_the_specification_says)
{
    wf_secret_t secrets[2] = {secret_of(SECRET), secret_of("plain secret")};
    wf_delivery_headers_t headers;

    ck_assert_int_eq(wf_delivery_sign(test_ctx, &headers, secrets, 1, ID, BODY, strlen(BODY)),
                     WF_OK);
    ck_assert_str_eq(headers.id, ID);
    ck_assert_str_eq(headers.timestamp, SENT_TEXT);
    ck_assert_str_eq(headers.signature, SIGNATURE);
    ck_assert_int_eq(wf_delivery_sign(test_ctx, &headers, secrets, 2, ID, BODY, strlen(BODY)),
                     WF_OK);
    ck_assert_str_eq(headers.signature, SIGNATURE " " PLAIN_SIGNATURE);
}
END_TEST

START_TEST(one_fitting_signature_of_several_is_enough)
{
    wf_secret_t secrets[2] = {secret_of("another"), secret_of(SECRET)};
    static const char *const good[] = {
        SIGNATURE,
        PLAIN_SIGNATURE " " SIGNATURE,
        SIGNATURE " " PLAIN_SIGNATURE,
        "v1a,AAAA " SIGNATURE,
        "  " SIGNATURE "  ",
    };
    static const char *const bad[] = {
        "",
        " ",
        "v1,",
        PLAIN_SIGNATURE,
        "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE",
        SIGNATURE "x",
        PLAIN_SIGNATURE "," SIGNATURE,
    };
    wf_delivery_headers_t headers = {ID, SENT_TEXT, NULL};
    size_t i;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        headers.signature = good[i];
        ck_assert_msg(verify(&headers, secrets, 2, BODY) == WF_OK, "%s", good[i]);
        ck_assert_int_eq(verify(&headers, secrets, 1, BODY), WF_EDENIED);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        headers.signature = bad[i];
        ck_assert_msg(verify(&headers, secrets, 2, BODY) == WF_EDENIED, "%s", bad[i]);
    }
}
END_TEST

START_TEST(a_changed_body_id_or_time_does_not_verify)
{
    wf_secret_t secret = secret_of(SECRET);
    wf_delivery_headers_t headers = {ID, SENT_TEXT, SIGNATURE};

    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_OK);
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY " "), WF_EDENIED);
    ck_assert_int_eq(verify(&headers, &secret, 1, ""), WF_EDENIED);
    headers.id = "msg_p5jXN8AQM9LWM0D4loKWxJel";
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_EDENIED);
    headers.id = ID ".1614265330";
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_EDENIED);
    headers.id = NULL;
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_EDENIED);
    headers = (wf_delivery_headers_t){ID, "1614265331", SIGNATURE};
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_EDENIED);
    headers.timestamp = " 1614265330";
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_EDENIED);
    headers.timestamp = NULL;
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_EDENIED);
    headers = (wf_delivery_headers_t){ID, SENT_TEXT, NULL};
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_EDENIED);
}
END_TEST

START_TEST(an_old_or_future_delivery_does_not_verify)
{
    wf_secret_t secret = secret_of(SECRET);
    wf_delivery_headers_t headers = {ID, SENT_TEXT, SIGNATURE};

    fixed_now = apr_time_from_sec(SENT + 300);
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_OK);
    fixed_now = apr_time_from_sec(SENT + 301);
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_EDENIED);
    fixed_now = apr_time_from_sec(SENT - 300);
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_OK);
    fixed_now = apr_time_from_sec(SENT - 301);
    ck_assert_int_eq(verify(&headers, &secret, 1, BODY), WF_EDENIED);
}
END_TEST

START_TEST(a_secret_is_base64_after_whsec_or_else_its_own_bytes)
{
    wf_secret_t secret = secret_of("whsec_aGVsbG8=");
    const char *text;

    ck_assert_uint_eq(secret.len, 5);
    ck_assert_str_eq((char *)secret.data, "hello");
    secret = secret_of("hello");
    ck_assert_str_eq((char *)secret.data, "hello");
    ck_assert_int_eq(wf_delivery_secret_parse(test_ctx, &secret, ""), WF_EINVALID);
    ck_assert_int_eq(wf_delivery_secret_parse(test_ctx, &secret, "whsec_"), WF_EINVALID);
    ck_assert_int_eq(wf_delivery_secret_parse(test_ctx, &secret, "whsec_a b"), WF_EINVALID);
    ck_assert_ptr_null(secret.data);
    ck_assert_int_eq(wf_delivery_secret_generate(test_ctx, &text), WF_OK);
    ck_assert_int_eq(strncmp(text, "whsec_", 6), 0);
    secret = secret_of(text);
    ck_assert_uint_eq(secret.len, 24);
}
END_TEST

START_TEST(what_cannot_be_signed_is_refused)
{
    wf_secret_t secrets[17] = {secret_of(SECRET)};
    wf_delivery_headers_t headers;

    ck_assert_int_eq(wf_delivery_sign(test_ctx, &headers, secrets, 0, ID, "", 0), WF_EINVALID);
    ck_assert_int_eq(wf_delivery_sign(test_ctx, &headers, secrets, 2, ID, "", 0), WF_EINVALID);
    ck_assert_int_eq(wf_delivery_sign(test_ctx, &headers, secrets, 17, ID, "", 0), WF_EINVALID);
    ck_assert_int_eq(wf_delivery_sign(test_ctx, &headers, secrets, 1, "a.b", "", 0), WF_EINVALID);
    ck_assert_int_eq(wf_delivery_sign(test_ctx, &headers, secrets, 1, "a\r\nb", "", 0),
                     WF_EINVALID);
    ck_assert_int_eq(wf_delivery_sign(test_ctx, &headers, secrets, 1, "", "", 0), WF_EINVALID);
    ck_assert_ptr_null(headers.signature);
    ck_assert_int_eq(wf_delivery_sign(test_ctx, &headers, secrets, 1, ID, NULL, 0), WF_OK);
    ck_assert_int_eq(verify(&headers, secrets, 1, ""), WF_OK);
}
END_TEST

START_TEST(retries_follow_the_schedule_and_then_end)
{
    static const int seconds[] = {5, 300, 1800, 7200, 18000, 36000, 36000};
    wf_delivery_attempt_t a = {.status = 500, .max_retries = -1};
    apr_interval_time_t wait;

    for (a.attempts = 1; a.attempts <= 7; a.attempts++) {
        apr_interval_time_t step = apr_time_from_sec(seconds[a.attempts - 1]);

        a.random = 0;
        ck_assert_int_eq(wf_delivery_judge(&wait, &a), WF_DELIVERY_RETRY);
        ck_assert(wait == step * 4 / 5);
        a.random = 0xffff;
        ck_assert_int_eq(wf_delivery_judge(&wait, &a), WF_DELIVERY_RETRY);
        ck_assert(wait == step * 6 / 5);
    }
    ck_assert_int_eq(wf_delivery_judge(&wait, &a), WF_DELIVERY_DEAD);
    a = (wf_delivery_attempt_t){.attempts = 1, .max_retries = 0};
    ck_assert_int_eq(wf_delivery_judge(&wait, &a), WF_DELIVERY_DEAD);
    a.status = 410;
    ck_assert_int_eq(wf_delivery_judge(&wait, &a), WF_DELIVERY_GONE);
    a.status = 204;
    ck_assert_int_eq(wf_delivery_judge(&wait, &a), WF_DELIVERY_DONE);
}
END_TEST

START_TEST(retry_after_is_seconds_or_a_date_and_clamped)
{
    static const struct {
        const char *text;
        int seconds; /* 0: cannot be read */
    } rows[] = {{"120", 120},
                {" 7", 7},
                {"0", 1},
                {"99999999999999999999", 43200},
                {"Thu, 25 Feb 2021 15:02:10 GMT", 3600},
                {"Thu, 25 Feb 2020 15:02:10 GMT", 1},
                {"-5", 0},
                {"soon", 0},
                {"", 0},
                {NULL, 0}};
    apr_interval_time_t wait;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int got = wf_delivery_retry_after(&wait, rows[i].text, apr_time_from_sec(1614261730));

        ck_assert_msg(got == (rows[i].seconds > 0), "%s", rows[i].text);
        ck_assert_msg(!got || wait == apr_time_from_sec(rows[i].seconds), "%s", rows[i].text);
    }
}
END_TEST

START_TEST(kept_replies_hold_no_secret)
{
    static const char *const words[] = {"abc", "abcdef", NULL, ""};
    wf_slice_t kept = wf_delivery_redact(test_pool, "x abcdef abc ab", 15, words, 4, 100);

    ck_assert_str_eq(kept.data, "x [redacted] [redacted] ab");
    ck_assert_uint_eq(wf_delivery_redact(test_pool, "0123456789", 10, words, 4, 4).len, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("delivery");
    TCase *tc = wf_test_case(s, "delivery");

    tcase_add_test(tc, a_delivery_is_signed_as_the_specification_says);
    tcase_add_test(tc, one_fitting_signature_of_several_is_enough);
    tcase_add_test(tc, a_changed_body_id_or_time_does_not_verify);
    tcase_add_test(tc, an_old_or_future_delivery_does_not_verify);
    tcase_add_test(tc, a_secret_is_base64_after_whsec_or_else_its_own_bytes);
    tcase_add_test(tc, what_cannot_be_signed_is_refused);
    tcase_add_test(tc, retries_follow_the_schedule_and_then_end);
    tcase_add_test(tc, retry_after_is_seconds_or_a_date_and_clamped);
    tcase_add_test(tc, kept_replies_hold_no_secret);
    return wf_test_run(s);
}
