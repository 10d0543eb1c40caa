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

/* ---- JWT ---------------------------------------------------------------------------------- */

#define JWT_HEAD "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
#define JWT_1_7 \
    JWT_HEAD ".eyJmbG93X3Rva2VuIjoidG9rLTEifQ.qNs8SotJv8cVDlzP3nPMqKG85kb8oYT9KM8DxQxTizM"

static wf_status_t open_jwt(wf_slice_t *payload, const char *jwt)
{
    wf_ctx_clear(test_ctx);
    return wf_jwt_hs256_open(test_ctx, payload, jwt, SIGNED_SECRET, strlen(SIGNED_SECRET));
}

static const char *make_jwt(const char *header, const char *payload)
{
    unsigned char mac[WF_SHA256_LEN];
    const char *text = apr_pstrcat(test_pool, wf_base64url(test_pool, header, strlen(header)), ".",
                                   wf_base64url(test_pool, payload, strlen(payload)), NULL);

    wf_hmac_sha256(mac, SIGNED_SECRET, strlen(SIGNED_SECRET), text, strlen(text));
    return apr_pstrcat(test_pool, text, ".", wf_base64url(test_pool, mac, sizeof(mac)), NULL);
}

START_TEST(the_jwt_of_whatsapp_1_7_opens_and_no_changed_one_does)
{
    char jwt[] = JWT_1_7;
    wf_slice_t payload;
    size_t i;

    ck_assert_int_eq(open_jwt(&payload, jwt), WF_OK);
    ck_assert_str_eq(payload.data, "{\"flow_token\":\"tok-1\"}");
    ck_assert_uint_eq(payload.len, strlen(payload.data));
    for (i = 0; jwt[i]; i++) {
        char kept = jwt[i];
        /* Two places up in the alphabet, so that not only unused bits of a last character change.
         */
        jwt[i] = kept == 'A' ? 'Z' : 'A';
        ck_assert_msg(open_jwt(&payload, jwt) == WF_EDENIED, "changed at %zu", i);
        ck_assert_ptr_null(payload.data);
        jwt[i] = kept;
    }
    for (i = 0; i < strlen(JWT_1_7); i++) {
        ck_assert_int_eq(open_jwt(&payload, apr_pstrmemdup(test_pool, JWT_1_7, i)), WF_EDENIED);
    }
    ck_assert_int_eq(open_jwt(&payload, NULL), WF_EDENIED);
    ck_assert_int_eq(open_jwt(&payload, JWT_1_7 ".x"), WF_EDENIED);
    ck_assert_int_eq(wf_jwt_hs256_open(test_ctx, &payload, JWT_1_7, "app-secret-2", 12),
                     WF_EDENIED);
}
END_TEST

START_TEST(a_jwt_whose_header_is_not_plain_hs256_is_refused_even_with_a_good_mac)
{
    static const char *const refused[] = {
        "{\"alg\":\"none\"}",
        "{\"alg\":\"HS512\"}",
        "{\"alg\":\"hs256\"}",
        "{\"typ\":\"JWT\"}",
        "{}",
        "",
        "[\"alg\",\"HS256\"]",
        "{\"alg\":\"HS256\",\"alg\":\"none\"}",
        "{\"alg\":\"none\",\"alg\":\"HS256\"}",
        "{\"alg\":\"HS256\",\"crit\":\"exp\"}",
        "{\"alg\":\"HS256\",\"jwk\":{\"alg\":\"none\"}}",
        "{\"alg\":\"HS256\"} x",
        "{\"alg\":\"HS256\"",
        "{\"alg\":\"HS256\",}",
        "{\"alg\":HS256}",
        "{\"\\u0061lg\":\"HS256\"}",
    };
    wf_slice_t payload;
    size_t i;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ck_assert_msg(open_jwt(&payload, make_jwt(refused[i], "{}")) == WF_EDENIED, "%s",
                      refused[i]);
    }
    ck_assert_int_eq(open_jwt(&payload, make_jwt("{\"alg\":\"HS256\"}", "{}")), WF_OK);
    ck_assert_int_eq(
        open_jwt(&payload,
                 make_jwt(" { \"kid\" : \"1\" , \"n\" : 1 , \"alg\" : \"HS256\" } ", "x")),
        WF_OK);
    ck_assert_str_eq(payload.data, "x");
}
END_TEST

START_TEST(an_empty_key_opens_no_jwt)
{
    unsigned char mac[WF_SHA256_LEN];
    const char *text = JWT_HEAD ".e30";
    wf_slice_t payload;

    wf_hmac_sha256(mac, "", 0, text, strlen(text));
    text = apr_pstrcat(test_pool, text, ".", wf_base64url(test_pool, mac, sizeof(mac)), NULL);
    ck_assert_int_eq(wf_jwt_hs256_open(test_ctx, &payload, text, "", 0), WF_EDENIED);
}
END_TEST

/* ---- AES-GCM ------------------------------------------------------------------------------ */

#define GCM_PLAIN                                                      \
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
    "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
#define GCM_KEY "feffe9928665731c6d6a8f9467308308"
#define ZEROS_16 "00000000000000000000000000000000"

typedef struct {
    const char *key, *iv, *plain, *sealed;
} gcm_case_t;

/* Test cases 1, 2, 3, 8, 14 and 15 of the GCM specification, then WHATSAPP.md 1.7. */
static const gcm_case_t gcm_cases[] = {
    {ZEROS_16, "000000000000000000000000", "", "58e2fccefa7e3061367f1d57a4e7455a"},
    {ZEROS_16, "000000000000000000000000", ZEROS_16,
     "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
    {GCM_KEY, "cafebabefacedbaddecaf888", GCM_PLAIN,
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
     "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985"
     "4d5c2af327cd64a62cf35abd2ba6fab4"},
    {ZEROS_16 "0000000000000000", "000000000000000000000000", ZEROS_16,
     "98e7247c07f0fe411c267e4384b0f6002ff58d80033927ab8ef4d4587514f0fb"},
    {ZEROS_16 ZEROS_16, "000000000000000000000000", ZEROS_16,
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {GCM_KEY GCM_KEY, "cafebabefacedbaddecaf888", GCM_PLAIN,
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
     "b094dac5d93471bdec1a502270e3cc6c"},
    {"000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
     "7b2276657273696f6e223a22332e30222c22616374696f6e223a2270696e67227d",
     "457b2028c576bf3a7d460ff7367f5036fd402155aac4d0476e2a1babea7dee78"
     "c6fe8101af9d7c91b7ed66435892a11c22"},
};

static unsigned char *bytes(const char *hex, size_t *len)
{
    unsigned char *out = apr_palloc(test_pool, strlen(hex) / 2 + 1);

    *len = strlen(hex) / 2;
    ck_assert(wf_hex_decode(out, hex, *len));
    return out;
}

static void check_gcm_case(const gcm_case_t *c)
{
    size_t key_len, iv_len, plain_len, sealed_len, i;
    unsigned char *key = bytes(c->key, &key_len), *iv = bytes(c->iv, &iv_len);
    unsigned char *plain = bytes(c->plain, &plain_len), *sealed = bytes(c->sealed, &sealed_len);
    unsigned char *out = apr_palloc(test_pool, sealed_len);

    ck_assert_int_eq(wf_gcm_encrypt(test_ctx, out, key, key_len, iv, iv_len, plain, plain_len),
                     WF_OK);
    ck_assert_mem_eq(out, sealed, sealed_len);
    ck_assert_int_eq(wf_gcm_decrypt(test_ctx, out, key, key_len, iv, iv_len, sealed, sealed_len),
                     WF_OK);
    ck_assert_mem_eq(out, plain, plain_len);
    for (i = 0; i < sealed_len * 8; i++) {
        sealed[i / 8] ^= (unsigned char)(1 << i % 8);
        ck_assert_int_eq(
            wf_gcm_decrypt(test_ctx, out, key, key_len, iv, iv_len, sealed, sealed_len),
            WF_EDENIED);
        sealed[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    for (i = 0; i < sealed_len; i++) {
        ck_assert_int_eq(wf_gcm_decrypt(test_ctx, out, key, key_len, iv, iv_len, sealed, i),
                         WF_EDENIED);
    }
    ck_assert_int_eq(wf_gcm_decrypt(test_ctx, sealed, key, key_len, iv, iv_len, sealed, sealed_len),
                     WF_OK);
    ck_assert_mem_eq(sealed, plain, plain_len);
}

START_TEST(aes_gcm_gives_the_values_of_its_specification_and_of_whatsapp_1_7)
{
    check_gcm_case(&gcm_cases[_i]);
}
END_TEST

START_TEST(a_plaintext_that_does_not_verify_is_never_left_behind)
{
    unsigned char out[17], data[33] = {1}, zeros[17] = {0};

    memset(out, 0x5a, sizeof(out));
    ck_assert_int_eq(wf_gcm_decrypt(test_ctx, out, data, 16, data, 16, data, 33), WF_EDENIED);
    ck_assert_mem_eq(out, zeros, sizeof(zeros));
}
END_TEST

START_TEST(aes_gcm_refuses_impossible_sizes_as_our_own_mistake)
{
    unsigned char out[64], data[32] = {0};

    ck_assert_int_eq(wf_gcm_decrypt(test_ctx, out, data, 15, data, 12, data, 32), WF_EINTERNAL);
    ck_assert_int_eq(wf_gcm_decrypt(test_ctx, out, data, 0, data, 12, data, 32), WF_EINTERNAL);
    ck_assert_int_eq(wf_gcm_encrypt(test_ctx, out, data, 16, data, 13, data, 32), WF_EINTERNAL);
    ck_assert_int_eq(wf_gcm_encrypt(test_ctx, out, data, 16, data, 0, data, 32), WF_EINTERNAL);
}
END_TEST

/* ---- passwords ------------------------------------------------------------------------------ */

START_TEST(a_password_is_kept_as_argon2id_and_only_it_verifies)
{
    const char *encoded, *again;

    ck_assert_int_eq(wf_password_hash(test_ctx, &encoded, "correct horse"), WF_OK);
    ck_assert_int_eq(strncmp(encoded, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
    ck_assert_int_eq(wf_password_hash(test_ctx, &again, "correct horse"), WF_OK);
    ck_assert_str_ne(encoded, again);
    ck_assert_int_eq(wf_password_verify(test_ctx, encoded, "correct horse"), WF_OK);
    ck_assert_int_eq(wf_password_verify(test_ctx, encoded, "correct horsf"), WF_EDENIED);
    ck_assert_int_eq(wf_password_verify(test_ctx, encoded, ""), WF_EDENIED);
}
END_TEST

/* From the test program of the argon2 reference implementation. */
#define ARGON2_OF_PASSWORD \
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"

START_TEST(a_hash_of_the_argon2_reference_verifies)
{
    ck_assert_int_eq(wf_password_verify(test_ctx, ARGON2_OF_PASSWORD, "password"), WF_OK);
    ck_assert_int_eq(wf_password_verify(test_ctx, ARGON2_OF_PASSWORD, "Password"), WF_EDENIED);
}
END_TEST

START_TEST(a_damaged_or_too_costly_hash_verifies_nothing)
{
    static const char *const hashes[] = {
        "",
        "$argon2id$",
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQwMTIz$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=1024,t=99999,p=1$c29tZXNhbHQwMTIz$AAAAAAAAAAAAAAAAAAAAAA",
        "$argon2id$v=19$m=1024,t=2,p=1$c29tZXNhbHQwMTIz$",
        "$2y$10$abcdefghijklmnopqrstuv",
    };
    const char *long_one = memset(apr_pcalloc(test_pool, 1026), 'x', 1025);
    const char *encoded;
    size_t i;

    for (i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        ck_assert_msg(wf_password_verify(test_ctx, hashes[i], "secret") == WF_EDENIED, "%s",
                      hashes[i]);
    }
    ck_assert_int_eq(wf_password_verify(test_ctx, NULL, "secret"), WF_EDENIED);
    ck_assert_int_eq(wf_password_verify(test_ctx, ARGON2_OF_PASSWORD, long_one), WF_EDENIED);
    ck_assert_int_eq(wf_password_hash(test_ctx, &encoded, long_one), WF_EINVALID);
    ck_assert_ptr_null(encoded);
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

static void add_jwt_tests(TCase *tc)
{
    tcase_add_test(tc, the_jwt_of_whatsapp_1_7_opens_and_no_changed_one_does);
    tcase_add_test(tc, a_jwt_whose_header_is_not_plain_hs256_is_refused_even_with_a_good_mac);
    tcase_add_test(tc, an_empty_key_opens_no_jwt);
}

static void add_gcm_tests(TCase *tc)
{
    tcase_add_loop_test(tc, aes_gcm_gives_the_values_of_its_specification_and_of_whatsapp_1_7, 0,
                        sizeof(gcm_cases) / sizeof(gcm_cases[0]));
    tcase_add_test(tc, a_plaintext_that_does_not_verify_is_never_left_behind);
    tcase_add_test(tc, aes_gcm_refuses_impossible_sizes_as_our_own_mistake);
}

static void add_password_tests(TCase *tc)
{
    tcase_add_test(tc, a_password_is_kept_as_argon2id_and_only_it_verifies);
    tcase_add_test(tc, a_hash_of_the_argon2_reference_verifies);
    tcase_add_test(tc, a_damaged_or_too_costly_hash_verifies_nothing);
}

int main(void)
{
    Suite *s = suite_create("crypto");

    add_hash_tests(wf_test_case(s, "hash"));
    add_jwt_tests(wf_test_case(s, "jwt"));
    add_gcm_tests(wf_test_case(s, "gcm"));
    add_password_tests(wf_test_case(s, "password"));
    return wf_test_run(s);
}
