#include "flow/wf_flow.h"
#include "wf_test.h"
#include "wf_test_keys.h"

#include <string.h>

/* WHATSAPP.md 1.7 */
#define PING "{\"version\":\"3.0\",\"action\":\"ping\"}"
#define PING_DATA "RXsgKMV2vzp9Rg\\/3Nn9QNv1AIVWqxNBHbiobq+p97njG\\/oEBr518kbftZkNYkqEcIg=="
#define PING_IV "oKGio6SlpqeoqaqrrK2urw=="
#define PONG "{\"data\":{\"status\":\"active\"}}"
#define PONG_BODY "FusEzBdzvQC+45OrlNKuLz5JY7ITAEKuw/x2vQfdtCN50KTnDUi/t1juMWA="
#define EXPIRED "{\"error_msg\":\"Link expired\"}"
#define EXPIRED_BODY "FusF3xF97WWosof9z4SXNXIYYbYIBEKqw7opvQ5KyDwm4bpNLk1AXbBkuQY="

#define ENVELOPE(data, rsa, iv)                                          \
    "{\"encrypted_flow_data\":\"" data "\",\"encrypted_aes_key\":\"" rsa \
    "\",\"initial_vector\":\"" iv "\"}"
#define PING_ENVELOPE ENVELOPE(PING_DATA, WRAPPED_AES_KEY, PING_IV)
#define LONG_KEY_ENVELOPE ENVELOPE(LONG_KEY_DATA, WRAPPED_LONG_KEY, PING_IV)

static wf_rsa_key_t *key_of(const char *pem)
{
    wf_rsa_key_t *key;

    ck_assert_int_eq(wf_rsa_parse(test_ctx, &key, pem, strlen(pem), NULL), WF_OK);
    return key;
}

static wf_status_t parse(wf_envelope_t *envelope, const char *body)
{
    wf_ctx_clear(test_ctx);
    return wf_envelope_parse(test_ctx, envelope, body, strlen(body));
}

static wf_exchange_key_t *open_ping(wf_slice_t *plain)
{
    wf_exchange_key_t *exchange;
    wf_envelope_t envelope;

    ck_assert_int_eq(parse(&envelope, PING_ENVELOPE), WF_OK);
    ck_assert_int_eq(wf_envelope_open(test_ctx, &exchange, plain, &envelope, key_of(KEY_PKCS8)),
                     WF_OK);
    return exchange;
}

START_TEST(the_request_of_whatsapp_1_7_opens)
{
    static const unsigned char reply_iv[16] = {0x5f, 0x5e, 0x5d, 0x5c, 0x5b, 0x5a, 0x59, 0x58,
                                               0x57, 0x56, 0x55, 0x54, 0x53, 0x52, 0x51, 0x50};
    wf_exchange_key_t *exchange;
    wf_slice_t plain;

    exchange = open_ping(&plain);
    ck_assert_str_eq(plain.data, PING);
    ck_assert_uint_eq(plain.len, strlen(PING));
    ck_assert_uint_eq(exchange->key_len, 16);
    ck_assert_uint_eq(exchange->iv_len, 16);
    ck_assert_mem_eq(exchange->iv, reply_iv, 16);
}
END_TEST

START_TEST(the_replies_of_whatsapp_1_7_come_out)
{
    wf_slice_t plain, body;

    ck_assert_int_eq(wf_envelope_seal(test_ctx, &body, open_ping(&plain), PONG, strlen(PONG)),
                     WF_OK);
    ck_assert_str_eq(body.data, PONG_BODY);
    ck_assert_uint_eq(body.len, strlen(PONG_BODY));
    ck_assert_int_eq(wf_envelope_seal(test_ctx, &body, open_ping(&plain), EXPIRED, strlen(EXPIRED)),
                     WF_OK);
    ck_assert_str_eq(body.data, EXPIRED_BODY);
}
END_TEST

START_TEST(one_request_gets_one_reply)
{
    wf_slice_t plain, body;
    wf_exchange_key_t *exchange = open_ping(&plain);

    ck_assert_int_eq(wf_envelope_seal(test_ctx, &body, exchange, PONG, strlen(PONG)), WF_OK);
    ck_assert_int_eq(wf_envelope_seal(test_ctx, &body, exchange, PONG, strlen(PONG)), WF_EINTERNAL);
    ck_assert_ptr_null(body.data);
}
END_TEST

START_TEST(several_keys_can_be_tried_on_one_envelope)
{
    wf_exchange_key_t *exchange;
    wf_envelope_t envelope;
    wf_slice_t plain;

    ck_assert_int_eq(parse(&envelope, PING_ENVELOPE), WF_OK);
    ck_assert_int_eq(wf_envelope_open(test_ctx, &exchange, &plain, &envelope, key_of(KEY_OTHER)),
                     WF_EDENIED);
    ck_assert_ptr_null(exchange);
    ck_assert_ptr_null(plain.data);
    ck_assert_int_eq(wf_envelope_open(test_ctx, &exchange, &plain, &envelope, key_of(KEY_PKCS1)),
                     WF_OK);
    ck_assert_str_eq(plain.data, PING);
}
END_TEST

START_TEST(what_is_not_the_shape_is_invalid_and_what_cannot_be_right_is_denied)
{
    static const struct {
        const char *body;
        wf_status_t status;
    } cases[] = {
        {"", WF_EINVALID},
        {"x", WF_EINVALID},
        {"[]", WF_EINVALID},
        {"null", WF_EINVALID},
        {"{}", WF_EINVALID},
        {"\"encrypted_flow_data\"", WF_EINVALID},
        {PING_ENVELOPE "x", WF_EINVALID},
        {"{\"encrypted_flow_data\":1,\"encrypted_aes_key\":\"AAAA\",\"initial_vector\":\"AAAA\"}",
         WF_EINVALID},
        {"{\"encrypted_flow_data\":\"AAAA\",\"encrypted_aes_key\":null,\"initial_vector\":\"\"}",
         WF_EINVALID},
        {"{\"encrypted_flow_data\":\"AAAA\",\"encrypted_aes_key\":\"AAAA\"}", WF_EINVALID},
        {ENVELOPE("", WRAPPED_AES_KEY, PING_IV), WF_EDENIED},
        {ENVELOPE(PING_DATA, "", PING_IV), WF_EDENIED},
        {ENVELOPE(PING_DATA, WRAPPED_AES_KEY, ""), WF_EDENIED},
        {ENVELOPE("????", WRAPPED_AES_KEY, PING_IV), WF_EDENIED},
        {ENVELOPE(PING_DATA, "AA A", PING_IV), WF_EDENIED},
        {ENVELOPE(PING_DATA, WRAPPED_AES_KEY, "oKGio6SlpqeoqaqrrK2u-w=="), WF_EDENIED},
        {ENVELOPE(PING_DATA, WRAPPED_AES_KEY, "oKGio6SlpqeoqaqrrK0="), WF_EDENIED},     /* 14 */
        {ENVELOPE(PING_DATA, WRAPPED_AES_KEY, "oKGio6SlpqeoqaqrrK2ur68="), WF_EDENIED}, /* 17 */
        {ENVELOPE("RXsgKMV2vzp9RgAAAAAAAA==", WRAPPED_AES_KEY, PING_IV), WF_EDENIED},   /* 16 */
        {ENVELOPE(PING_DATA, WRAPPED_AES_KEY "AAAA" WRAPPED_AES_KEY, PING_IV), WF_EDENIED},
        {ENVELOPE(PING_DATA "\\u0000", WRAPPED_AES_KEY, PING_IV), WF_EDENIED},
        {PING_ENVELOPE, WF_OK},
        {" {\"more\":[{}],\"encrypted_flow_data\":\"" PING_DATA
         "\",\"encrypted_aes_key\":\"" WRAPPED_AES_KEY "\",\"initial_vector\":\"" PING_IV "\"}\n",
         WF_OK},
        {ENVELOPE(PING_DATA, WRAPPED_AES_KEY, "oKGio6SlpqeoqaqrrK2urw"), WF_OK},    /* no padding */
        {ENVELOPE(PING_DATA, WRAPPED_AES_KEY, "oKGio6SlpqeoqaqrAAAA"), WF_EDENIED}, /* 15 */
        {ENVELOPE(PING_DATA, WRAPPED_AES_KEY, "oKGio6Slpqeoqaqr"), WF_OK},          /* 12 */
    };
    wf_envelope_t envelope;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ck_assert_msg(parse(&envelope, cases[i].body) == cases[i].status, "%zu: %s", i,
                      cases[i].body);
        ck_assert_int_eq(envelope.data_len > 0, cases[i].status == WF_OK);
    }
}
END_TEST

START_TEST(a_body_over_ten_megabytes_is_invalid_and_one_below_opens)
{
    size_t len = WF_ENVELOPE_BODY_MAX + 1, request_len = 7 * 1024 * 1024;
    char *huge = memset(apr_palloc(test_pool, len), ' ', len);
    char *request = memset(apr_palloc(test_pool, request_len), 'r', request_len);
    wf_exchange_key_t *client, *server;
    wf_slice_t body, plain;
    wf_envelope_t envelope;

    ck_assert_int_eq(wf_envelope_parse(test_ctx, &envelope, huge, len), WF_EINVALID);
    ck_assert_int_eq(
        wf_envelope_client_make(test_ctx, &body, &client, KEY_PUBLIC, request, request_len), WF_OK);
    ck_assert_int_eq(wf_envelope_parse(test_ctx, &envelope, body.data, body.len), WF_OK);
    ck_assert_int_eq(wf_envelope_open(test_ctx, &server, &plain, &envelope, key_of(KEY_PKCS8)),
                     WF_OK);
    ck_assert_uint_eq(plain.len, request_len);
    ck_assert_mem_eq(plain.data, request, request_len);
}
END_TEST

/* ---- attacks and accidents ----------------------------------------------------------------------
 */

static wf_status_t parse_and_open(wf_ctx_t *ctx, const char *body, size_t len,
                                  const wf_rsa_key_t *key)
{
    wf_exchange_key_t *exchange;
    wf_envelope_t envelope;
    wf_slice_t plain;
    wf_status_t st = wf_envelope_parse(ctx, &envelope, body, len);

    return st == WF_OK ? wf_envelope_open(ctx, &exchange, &plain, &envelope, key) : st;
}

START_TEST(every_truncation_is_refused)
{
    const char *body = PING_ENVELOPE;
    wf_rsa_key_t *key = key_of(KEY_PKCS8);
    size_t i;

    for (i = 0; i < strlen(body); i++) {
        const char *cut = apr_pstrmemdup(test_pool, body, i);
        ck_assert_int_eq(parse_and_open(test_ctx, cut, i, key), WF_EINVALID);
    }
}
END_TEST

/* Flips each bit of the body: it is refused as one of the two expected failures, or it is in a
 * place that says nothing (the unused bits of a base64 end). */
START_TEST(every_flipped_bit_is_refused_or_harmless)
{
    size_t len = strlen(PING_ENVELOPE), i;
    wf_rsa_key_t *key = key_of(KEY_PKCS8);
    apr_pool_t *pool;
    int opened = 0;

    apr_pool_create(&pool, test_pool);
    for (i = 0; i < len * 8; i++) {
        char *body;
        wf_status_t st;

        if (i % 8 != 0 && i % 8 != 5 && i % 8 != i / 8 % 8) {
            continue; /* three of eight bits of each byte will do: every one costs an RSA operation
                       */
        }
        apr_pool_clear(pool);
        body = apr_pmemdup(pool, PING_ENVELOPE, len);
        body[i / 8] ^= (char)(1 << i % 8);
        st = parse_and_open(wf_ctx_make(pool, NULL), body, len, key);
        ck_assert_msg(st == WF_OK || st == WF_EDENIED || st == WF_EINVALID, "bit %zu: %d", i, st);
        opened += st == WF_OK;
    }
    /* three base64 ends of the form "x==", four unused bits each */
    ck_assert_int_le(opened, 12);
}
END_TEST

START_TEST(random_bytes_never_crash)
{
    static const char alphabet[] = "{}[]\":,\\/ encryptd_flowaskyilv0aA+=\n";
    wf_rsa_key_t *key = key_of(KEY_PKCS8);
    unsigned seed = 20261122;
    apr_pool_t *pool;
    int i, j;

    apr_pool_create(&pool, test_pool);
    for (i = 0; i < 20000; i++) {
        char body[64];
        int len = rand_r(&seed) % (int)sizeof(body);

        for (j = 0; j < len; j++) {
            body[j] = alphabet[rand_r(&seed) % (int)(sizeof(alphabet) - 1)];
        }
        apr_pool_clear(pool);
        ck_assert_int_eq(parse_and_open(wf_ctx_make(pool, NULL), body, (size_t)len, key),
                         WF_EINVALID);
    }
}
END_TEST

START_TEST(it_does_not_show_which_step_failed)
{
    static const char *const bodies[] = {
        ENVELOPE(PING_DATA, WRAPPED_SHA1, PING_IV), /* RSA fails */
        ENVELOPE(PING_DATA, WRAPPED_FIVE, PING_IV), /* the AES key has five bytes */
        ENVELOPE(PING_DATA, WRAPPED_AES_KEY, "oKGio6SlpqeoqaqrrK2urA=="), /* GCM fails */
        ENVELOPE(PING_DATA, "AAAA", PING_IV), /* not the modulus's length */
    };
    wf_rsa_key_t *key = key_of(KEY_PKCS8);
    size_t i;

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        wf_ctx_clear(test_ctx);
        ck_assert_int_eq(parse_and_open(test_ctx, bodies[i], strlen(bodies[i]), key), WF_EDENIED);
        ck_assert_ptr_null(test_ctx->err.public_text);
        ck_assert_ptr_nonnull(test_ctx->err.detail);
    }
}
END_TEST

START_TEST(a_key_of_another_length_costs_no_rsa_operation)
{
    const char *body = ENVELOPE(PING_DATA, "AAAA", PING_IV);

    ck_assert_int_eq(parse_and_open(test_ctx, body, strlen(body), key_of(KEY_PKCS8)), WF_EDENIED);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "modulus"));
}
END_TEST

/* ---- the key material
 * ----------------------------------------------------------------------------- */

static apr_status_t look_at_key(void *baton)
{
    static const unsigned char zeros[32];
    wf_exchange_key_t **exchange = baton;

    ck_assert_mem_eq((*exchange)->key, zeros, sizeof(zeros));
    *exchange = NULL;
    return APR_SUCCESS;
}

START_TEST(the_key_material_is_wiped_with_the_pool)
{
    wf_exchange_key_t *exchange = NULL;
    wf_envelope_t envelope;
    wf_slice_t plain;
    apr_pool_t *pool;

    ck_assert_int_eq(parse(&envelope, PING_ENVELOPE), WF_OK);
    apr_pool_create(&pool, test_pool);
    apr_pool_cleanup_register(pool, &exchange, look_at_key, apr_pool_cleanup_null);
    ck_assert_int_eq(
        wf_envelope_open(wf_ctx_make(pool, NULL), &exchange, &plain, &envelope, key_of(KEY_PKCS8)),
        WF_OK);
    ck_assert_int_eq(exchange->key[15], 15);
    apr_pool_destroy(pool);
    ck_assert_ptr_null(exchange);
}
END_TEST

static void count_warnings(wf_log_level_t level, const char *file, int line, const char *message,
                           void *baton)
{
    if (level == WF_LOG_WARNING) {
        ++*(int *)baton;
    }
}

START_TEST(an_aes_key_of_32_bytes_works_and_is_warned_of)
{
    int warnings = 0;
    wf_log_t log = {WF_LOG_TRACE, count_warnings, &warnings};
    wf_ctx_t *ctx = wf_ctx_make(test_pool, &log);
    wf_rsa_key_t *key = key_of(KEY_PKCS8);

    ck_assert_int_eq(parse_and_open(ctx, PING_ENVELOPE, strlen(PING_ENVELOPE), key), WF_OK);
    ck_assert_int_eq(warnings, 0);
    ck_assert_int_eq(parse_and_open(ctx, LONG_KEY_ENVELOPE, strlen(LONG_KEY_ENVELOPE), key), WF_OK);
    ck_assert_int_eq(warnings, 1);
}
END_TEST

/* ---- the client
 * ------------------------------------------------------------------------------------ */

START_TEST(the_client_and_the_server_understand_each_other)
{
    wf_exchange_key_t *client, *server, *another;
    wf_slice_t body, plain, reply, read;
    wf_envelope_t envelope;

    ck_assert_int_eq(
        wf_envelope_client_make(test_ctx, &body, &client, KEY_PUBLIC, PING, strlen(PING)), WF_OK);
    ck_assert_int_eq(wf_envelope_parse(test_ctx, &envelope, body.data, body.len), WF_OK);
    ck_assert_uint_eq(envelope.iv_len, 16);
    ck_assert_int_eq(wf_envelope_open(test_ctx, &server, &plain, &envelope, key_of(KEY_PKCS8)),
                     WF_OK);
    ck_assert_str_eq(plain.data, PING);
    ck_assert_int_eq(wf_envelope_seal(test_ctx, &reply, server, PONG, strlen(PONG)), WF_OK);
    ck_assert_int_eq(wf_envelope_client_open(test_ctx, &read, client, reply.data, reply.len),
                     WF_OK);
    ck_assert_str_eq(read.data, PONG);
    ck_assert_int_eq(
        wf_envelope_client_make(test_ctx, &body, &another, KEY_PUBLIC, PING, strlen(PING)), WF_OK);
    ck_assert_int_eq(wf_envelope_client_open(test_ctx, &read, another, reply.data, reply.len),
                     WF_EDENIED);
    ck_assert_int_eq(wf_envelope_client_open(test_ctx, &read, client, "\"AAAA\"", 6), WF_EINVALID);
    ck_assert_int_eq(wf_envelope_client_open(test_ctx, &read, client, "", 0), WF_EINVALID);
    ck_assert_int_eq(
        wf_envelope_client_make(test_ctx, &body, &client, "no key", PING, strlen(PING)),
        WF_EINVALID);
    ck_assert_ptr_null(client);
}
END_TEST

START_TEST(the_client_reads_the_replies_of_whatsapp_1_7)
{
    wf_slice_t plain, read;
    wf_exchange_key_t *exchange = open_ping(&plain);

    ck_assert_int_eq(
        wf_envelope_client_open(test_ctx, &read, exchange, PONG_BODY, strlen(PONG_BODY)), WF_OK);
    ck_assert_str_eq(read.data, PONG);
    ck_assert_int_eq(
        wf_envelope_client_open(test_ctx, &read, exchange, EXPIRED_BODY, strlen(EXPIRED_BODY)),
        WF_OK);
    ck_assert_str_eq(read.data, EXPIRED);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("envelope");
    TCase *tc = wf_test_case(s, "envelope");

    tcase_add_test(tc, the_request_of_whatsapp_1_7_opens);
    tcase_add_test(tc, the_replies_of_whatsapp_1_7_come_out);
    tcase_add_test(tc, one_request_gets_one_reply);
    tcase_add_test(tc, several_keys_can_be_tried_on_one_envelope);
    tcase_add_test(tc, what_is_not_the_shape_is_invalid_and_what_cannot_be_right_is_denied);
    tcase_add_test(tc, a_body_over_ten_megabytes_is_invalid_and_one_below_opens);
    tcase_add_test(tc, every_truncation_is_refused);
    tcase_add_test(tc, every_flipped_bit_is_refused_or_harmless);
    tcase_add_test(tc, random_bytes_never_crash);
    tcase_add_test(tc, it_does_not_show_which_step_failed);
    tcase_add_test(tc, a_key_of_another_length_costs_no_rsa_operation);
    tcase_add_test(tc, the_key_material_is_wiped_with_the_pool);
    tcase_add_test(tc, an_aes_key_of_32_bytes_works_and_is_warned_of);
    tcase_add_test(tc, the_client_and_the_server_understand_each_other);
    tcase_add_test(tc, the_client_reads_the_replies_of_whatsapp_1_7);
    return wf_test_run(s);
}
