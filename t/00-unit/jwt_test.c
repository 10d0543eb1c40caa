#include "crypto/wf_crypto.h"
#include "tenant/wf_claims.h"
#include "wf_test.h"

#include <string.h>

/* RFC 7515, appendix A.1 to A.3. */
#define PAYLOAD                                                                                    \
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVl" \
    "fQ."
#define HS256                                                                                      \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" PAYLOAD "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define SECRET                                                                                     \
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
#define RS256                                                                                      \
    "eyJhbGciOiJSUzI1NiJ9" PAYLOAD                                                                 \
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5ju" \
    "jGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07" \
    "Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipU" \
    "TI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define N                                                                                          \
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4" \
    "QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdb" \
    "BYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-D" \
    "WNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define ES256                                                                                      \
    "eyJhbGciOiJFUzI1NiJ9" PAYLOAD                                                                 \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

static wf_slice_t bytes(const char *base64url)
{
    size_t len = strlen(base64url), n = 0;
    unsigned char *out = apr_palloc(test_pool, WF_BASE64_MAX(len));

    ck_assert(wf_base64url_decode(out, &n, base64url, len));
    return (wf_slice_t){(const char *)out, n};
}

static wf_jwt_key_t *secret_key(const char *kid)
{
    wf_slice_t secret = bytes(SECRET);
    wf_jwt_key_t *key;

    ck_assert_int_eq(wf_jwt_key_hmac(test_ctx, &key, kid, secret.data, secret.len), WF_OK);
    return key;
}

static wf_jwt_key_t *rsa_key(const char *kid)
{
    wf_jwt_key_t *key;

    ck_assert_int_eq(wf_jwt_key_rsa(test_ctx, &key, kid, bytes(N), bytes("AQAB")), WF_OK);
    return key;
}

static wf_jwt_key_t *ec_key(const char *kid)
{
    wf_jwt_key_t *key;

    ck_assert_int_eq(wf_jwt_key_ec(test_ctx, &key, kid, bytes(X), bytes(Y)), WF_OK);
    return key;
}

static wf_status_t open_with(const wf_jwt_key_t *key, const char *jwt)
{
    wf_slice_t payload;
    wf_status_t st = wf_jwt_open(test_ctx, &payload, jwt, &key, 1);

    ck_assert_int_eq(st == WF_OK, payload.data != NULL);
    wf_ctx_clear(test_ctx);
    return st;
}

START_TEST(the_tokens_of_rfc_7515_open_with_their_keys_and_with_no_other)
{
    const wf_jwt_key_t *keys[] = {secret_key(NULL), rsa_key(NULL), ec_key(NULL)};
    const char *tokens[] = {HS256, RS256, ES256};
    wf_slice_t payload;
    int k, t;

    for (t = 0; t < 3; t++) {
        for (k = 0; k < 3; k++) {
            ck_assert_int_eq(open_with(keys[k], tokens[t]), k == t ? WF_OK : WF_EDENIED);
        }
        ck_assert_int_eq(wf_jwt_open(test_ctx, &payload, tokens[t], keys, 3), WF_OK);
        ck_assert_ptr_nonnull(strstr(payload.data, "\"iss\":\"joe\""));
        ck_assert_int_eq(wf_jwt_open(test_ctx, &payload, tokens[t], keys, 0), WF_EDENIED);
        wf_ctx_clear(test_ctx);
    }
}
END_TEST

START_TEST(a_token_changed_anywhere_opens_no_more)
{
    const wf_jwt_key_t *keys[] = {secret_key(NULL), rsa_key(NULL), ec_key(NULL)};
    const char *tokens[] = {HS256, RS256, ES256};
    size_t t, i;

    for (t = 0; t < 3; t++) {
        char *jwt = apr_pstrdup(test_pool, tokens[t]);

        for (i = 0; i + 1 < strlen(jwt); i += 7) { /* the last letter has bits that mean nothing */
            char kept = jwt[i];

            jwt[i] = kept == 'A' ? 'B' : 'A';
            ck_assert_msg(open_with(keys[t], jwt) == WF_EDENIED, "token %zu changed at %zu", t, i);
            jwt[i] = kept;
            ck_assert_int_eq(open_with(keys[t], apr_pstrmemdup(test_pool, jwt, i)), WF_EDENIED);
        }
    }
}
END_TEST

START_TEST(the_key_decides_how_a_token_is_checked)
{
    static const char *const headers[] = {
        "{\"alg\":\"none\"}",  "{\"alg\":\"HS512\"}", "{\"alg\":\"hs256\"}", "{\"alg\":\"RS256\"}",
        "{\"alg\":\"HS256\",\"alg\":\"HS256\"}",      "{\"typ\":\"JWT\"}",   "{\"alg\":\"HS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"HS256\",\"kid\":\"b\"}",          "[]",                  "{\"alg\":\"HS256\"} x"};
    wf_jwt_key_t *key = secret_key("a");
    wf_slice_t n = bytes(N);
    wf_jwt_key_t *confused;
    const char *jwt;
    size_t i;

    jwt = wf_jwt_sign(test_pool, key, "{}", 2);
    ck_assert_int_eq(open_with(key, jwt), WF_OK);
    ck_assert_str_eq(wf_jwt_kid(test_pool, jwt), "a");
    ck_assert_int_eq(open_with(secret_key("b"), jwt), WF_EDENIED);
    ck_assert_int_eq(open_with(secret_key(NULL), jwt), WF_EDENIED);
    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        const char *input = apr_pstrcat(
            test_pool, wf_base64url(test_pool, headers[i], strlen(headers[i])), ".e30", NULL);
        unsigned char mac[WF_SHA256_LEN];
        wf_slice_t secret = bytes(SECRET);

        wf_hmac_sha256(mac, secret.data, secret.len, input, strlen(input));
        jwt = apr_pstrcat(test_pool, input, ".", wf_base64url(test_pool, mac, sizeof(mac)), NULL);
        ck_assert_msg(open_with(key, jwt) == WF_EDENIED, "%s", headers[i]);
    }
    /* HS256 whose secret is the public key. */
    ck_assert_int_eq(wf_jwt_key_hmac(test_ctx, &confused, NULL, n.data, n.len), WF_OK);
    ck_assert_int_eq(open_with(rsa_key(NULL), wf_jwt_sign(test_pool, confused, "{}", 2)), WF_EDENIED);
    ck_assert_ptr_null(wf_jwt_sign(test_pool, rsa_key(NULL), "{}", 2));
}
END_TEST

START_TEST(keys_that_are_worth_nothing_are_refused)
{
    unsigned char off[32] = {1};
    wf_slice_t point = {(const char *)off, sizeof(off)}, n = bytes(N);
    wf_jwt_key_t *key;

    ck_assert_int_eq(wf_jwt_key_hmac(test_ctx, &key, "a", SECRET, 31), WF_EINVALID);
    ck_assert_int_eq(wf_jwt_key_ec(test_ctx, &key, "a", point, point), WF_EINVALID);
    ck_assert_int_eq(wf_jwt_key_ec(test_ctx, &key, "a", bytes(X), bytes("AQAB")), WF_EINVALID);
    ck_assert_int_eq(wf_jwt_key_rsa(test_ctx, &key, "a", (wf_slice_t){n.data, 128}, bytes("AQAB")),
                     WF_EINVALID);
    ck_assert_int_eq(wf_jwt_key_rsa(test_ctx, &key, "a", n, bytes("AQ")), WF_EINVALID);
    ck_assert_int_eq(wf_jwt_key_rsa(test_ctx, &key, "a", n, bytes("AA")), WF_EINVALID);
    ck_assert_int_eq(wf_jwt_key_rsa(test_ctx, &key, "a", n, n), WF_EINVALID);
    ck_assert_ptr_null(key);
}
END_TEST

/* ---- claims ---------------------------------------------------------------------------------- */

static apr_time_t at_1000(void *unused)
{
    return apr_time_from_sec(1000);
}

static wf_status_t claims(wf_claims_t *out, const char *text)
{
    wf_status_t st;

    test_ctx->clock = at_1000;
    st = wf_claims_read(test_ctx, out, (wf_slice_t){text, strlen(text)});
    test_ctx->clock = NULL;
    wf_ctx_clear(test_ctx);
    return st;
}

START_TEST(claims_are_taken_as_they_are_or_not_at_all)
{
    static const char *const bad[] = {
        "", "[]", "{}", "{\"sub\":\"a\"}", "{\"exp\":2000}", "{\"sub\":\"\",\"exp\":2000}",
        "{\"sub\":\"a b\",\"exp\":2000}", "{\"sub\":5,\"exp\":2000}", "{\"sub\":\"a\",\"exp\":\"2000\"}",
        "{\"sub\":\"a\",\"exp\":940}", "{\"sub\":\"a\",\"exp\":-5}", "{\"sub\":\"a\",\"exp\":1e300}",
        "{\"sub\":\"a\",\"exp\":2000,\"nbf\":1061}", "{\"sub\":\"a\",\"exp\":2000,\"nbf\":null}",
        "{\"sub\":\"a\",\"exp\":2000,\"iat\":1061}", "{\"sub\":\"a\",\"exp\":2000,\"tenant_id\":\"A B\"}"};
    wf_claims_t c;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(claims(&c, bad[i]) == WF_EDENIED, "%s", bad[i]);
    }
    ck_assert_int_eq(claims(&c, "{\"sub\":\"a\",\"exp\":941,\"nbf\":1060,\"iat\":999.5,\"roles\":[\"x\","
                                "\"gestor\",5,\"leitura\"],\"tenant_id\":\"acme\",\"sid\":\"theirs\"}"),
                     WF_OK);
    ck_assert_str_eq(c.subject, "a");
    ck_assert_str_eq(c.tenant, "acme");
    ck_assert_ptr_null(c.session_id);
    ck_assert_int_eq(c.role, WF_ROLE_GESTOR);
    ck_assert_int_eq(c.issued_at, 999500000);
    ck_assert_int_eq(wf_role_greatest(test_pool, "leitura, admin,x gestor"), WF_ROLE_ADMIN);
    ck_assert_int_eq(wf_role_greatest(test_pool, ""), WF_ROLE_NONE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("jwt");
    TCase *t = wf_test_case(s, "jwt");

    tcase_add_test(t, the_tokens_of_rfc_7515_open_with_their_keys_and_with_no_other);
    tcase_add_test(t, a_token_changed_anywhere_opens_no_more);
    tcase_add_test(t, the_key_decides_how_a_token_is_checked);
    tcase_add_test(t, keys_that_are_worth_nothing_are_refused);
    tcase_add_test(t, claims_are_taken_as_they_are_or_not_at_all);
    return wf_test_run(s);
}
