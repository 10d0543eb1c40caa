#include "crypto/wf_crypto.h"
#include "wf_corpus.h"
#include "wf_test.h"

#include <string.h>

static const char *hmac_hex(const void *key, size_t key_len, const void *data, size_t len)
{
    unsigned char out[WF_SHA256_LEN];

    wf_hmac_sha256(out, key, key_len, data, len);
    return wf_hex(test_pool, out, sizeof(out));
}

static void *repeated(int byte, size_t len)
{
    return memset(apr_palloc(test_pool, len), byte, len);
}

/* ---- hashes ------------------------------------------------------------------------------- */

START_TEST(sha256_gives_the_values_of_fips_180)
{
    ck_assert_str_eq(wf_sha256_hex(test_pool, "", 0),
                     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    ck_assert_str_eq(wf_sha256_hex(test_pool, "abc", 3),
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert_str_eq(
        wf_sha256_hex(test_pool, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    ck_assert_str_eq(wf_sha256_hex(test_pool, repeated('a', 1000000), 1000000),
                     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

START_TEST(hmac_gives_the_values_of_rfc_4231)
{
    unsigned char counted[25];
    int i;

    for (i = 0; i < 25; i++) {
        counted[i] = (unsigned char)(i + 1);
    }
    ck_assert_str_eq(hmac_hex(repeated(0x0b, 20), 20, "Hi There", 8),
                     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    ck_assert_str_eq(hmac_hex("Jefe", 4, "what do ya want for nothing?", 28),
                     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    ck_assert_str_eq(hmac_hex(repeated(0xaa, 20), 20, repeated(0xdd, 50), 50),
                     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    ck_assert_str_eq(hmac_hex(counted, 25, repeated(0xcd, 50), 50),
                     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    ck_assert_str_eq(hmac_hex(repeated(0xaa, 131), 131,
                              "Test Using Larger Than Block-Size Key - Hash Key First", 54),
                     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}
END_TEST

START_TEST(nothing_equals_null_not_even_null)
{
    ck_assert(wf_ct_equal("abc", "abc", 3));
    ck_assert(!wf_ct_equal("abc", "abd", 3));
    ck_assert(!wf_ct_equal(NULL, "abc", 3));
    ck_assert(!wf_ct_equal("abc", NULL, 3));
    ck_assert(!wf_ct_equal(NULL, NULL, 0));
}
END_TEST

static apr_status_t look_at_secret(void *baton)
{
    static const unsigned char zeros[16];
    unsigned char **secret = baton;

    ck_assert_int_eq(memcmp(*secret, zeros, sizeof(zeros)), 0);
    *secret = NULL;
    return APR_SUCCESS;
}

START_TEST(secret_memory_is_wiped_with_its_pool)
{
    apr_pool_t *pool;
    unsigned char *secret = NULL;

    /* Cleanups run last first, so this one looks when the wiping is done and the memory not yet
     * given back. */
    apr_pool_create(&pool, test_pool);
    apr_pool_cleanup_register(pool, &secret, look_at_secret, apr_pool_cleanup_null);
    secret = wf_secret_alloc(pool, 16);
    ck_assert_int_eq(secret[0] | secret[15], 0);
    memset(secret, 0x5a, 16);
    apr_pool_destroy(pool);
    ck_assert_ptr_null(secret);
}
END_TEST

/* ---- signatures --------------------------------------------------------------------------- */

#define SIGNED_BODY "{\"object\":\"whatsapp_business_account\",\"entry\":[]}"
#define SIGNED_HEX "0ca28c0f1996234eb6829e59ad3c11a18161f6eb043943d601e420c312432cdf"
#define SIGNED_SECRET "app-secret-1"

static int signature_ok(const char *header)
{
    return wf_hub_signature_ok(header, SIGNED_BODY, strlen(SIGNED_BODY), SIGNED_SECRET,
                               strlen(SIGNED_SECRET));
}

START_TEST(a_hub_signature_is_checked_as_whatsapp_1_7_says)
{
    char header[] = "sha256=" SIGNED_HEX;
    size_t i;

    ck_assert(signature_ok(header));
    ck_assert(
        signature_ok("sha256=0CA28C0F1996234EB6829E59AD3C11A18161F6EB043943D601E420C312432CDF"));
    ck_assert(!signature_ok(NULL));
    ck_assert(!signature_ok(""));
    ck_assert(!signature_ok("sha256="));
    ck_assert(!signature_ok(SIGNED_HEX));
    ck_assert(!signature_ok("sha256=" SIGNED_HEX "0"));
    ck_assert(!signature_ok("sha1=" SIGNED_HEX));
    for (i = 0; header[i]; i++) {
        char kept = header[i];
        header[i] = kept == '7' ? '8' : '7';
        ck_assert_msg(!signature_ok(header), "changed at %zu", i);
        header[i] = kept;
    }
    ck_assert(signature_ok(header));
    ck_assert(!wf_hub_signature_ok(header, SIGNED_BODY " ", strlen(SIGNED_BODY) + 1, SIGNED_SECRET,
                                   strlen(SIGNED_SECRET)));
}
END_TEST

START_TEST(an_empty_secret_signs_nothing)
{
    const char *header =
        apr_pstrcat(test_pool, "sha256=", hmac_hex("", 0, SIGNED_BODY, strlen(SIGNED_BODY)), NULL);

    ck_assert(!wf_hub_signature_ok(header, SIGNED_BODY, strlen(SIGNED_BODY), "", 0));
    ck_assert(!wf_hub_signature_ok(header, SIGNED_BODY, strlen(SIGNED_BODY), NULL, 0));
}
END_TEST

static void check_corpus_signature(const char *name, wf_json_t *doc)
{
    const char *base64 = wf_json_get_str(doc, "body_base64", NULL);
    const char *utf8 = wf_json_get_str(doc, "body_utf8", NULL);
    const char *secret = wf_json_get_str(doc, "secret", "");
    int valid = strcmp(wf_json_get_str(doc, "expected", ""), "valid") == 0;
    unsigned char *body = (unsigned char *)utf8;
    size_t len = utf8 ? strlen(utf8) : 0;

    if (base64) {
        body = apr_palloc(test_pool, WF_BASE64_MAX(strlen(base64)));
        ck_assert(wf_base64_decode(body, &len, base64, strlen(base64)));
    }
    ck_assert_ptr_nonnull(body);
    ck_assert_msg(wf_hub_signature_ok(wf_json_get_str(doc, "header", NULL), body, len, secret,
                                      strlen(secret)) == valid,
                  "%s", name);
}

START_TEST(every_signature_of_the_corpus_gets_its_verdict)
{
    wf_corpus_each("signatures", check_corpus_signature);
}
END_TEST

static void add_hash_tests(TCase *tc)
{
    tcase_add_test(tc, sha256_gives_the_values_of_fips_180);
    tcase_add_test(tc, hmac_gives_the_values_of_rfc_4231);
    tcase_add_test(tc, nothing_equals_null_not_even_null);
    tcase_add_test(tc, secret_memory_is_wiped_with_its_pool);
    tcase_add_test(tc, a_hub_signature_is_checked_as_whatsapp_1_7_says);
    tcase_add_test(tc, an_empty_secret_signs_nothing);
    tcase_add_test(tc, every_signature_of_the_corpus_gets_its_verdict);
}

int main(void)
{
    Suite *s = suite_create("crypto");

    add_hash_tests(wf_test_case(s, "hash"));
    return wf_test_run(s);
}
