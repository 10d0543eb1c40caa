#include "crypto/wf_crypto.h"
#include "wf_test.h"
#include "wf_test_keys.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const unsigned char aes_key[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static wf_rsa_key_t *key_of(wf_ctx_t *ctx, const char *pem)
{
    wf_rsa_key_t *key;

    ck_assert_int_eq(wf_rsa_parse(ctx, &key, pem, strlen(pem), NULL), WF_OK);
    ck_assert_ptr_nonnull(key);
    return key;
}

static wf_status_t parse(wf_rsa_key_t **key, const char *text, const char *passphrase)
{
    wf_ctx_clear(test_ctx);
    return wf_rsa_parse(test_ctx, key, text, strlen(text), passphrase);
}

static wf_status_t decrypt(unsigned char *out, size_t *out_len, const wf_rsa_key_t *key,
                           const char *base64)
{
    unsigned char data[600];
    size_t len;

    ck_assert(wf_base64_decode(data, &len, base64, strlen(base64)));
    return wf_rsa_decrypt(test_ctx, out, out_len, key, data, len);
}

static void check_opens_wrapped(const wf_rsa_key_t *key)
{
    unsigned char out[256];
    size_t len;

    ck_assert_uint_eq(wf_rsa_size(key), 256);
    ck_assert_int_eq(decrypt(out, &len, key, WRAPPED_AES_KEY), WF_OK);
    ck_assert_uint_eq(len, sizeof(aes_key));
    ck_assert_mem_eq(out, aes_key, sizeof(aes_key));
}

/* ---- forms of keys -------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    const char *pem;
    const char *passphrase;
} form_t;

static const form_t forms[] = {
    {"PKCS#1", KEY_PKCS1, NULL},
    {"PKCS#1, passphrase not needed", KEY_PKCS1, "anything"},
    {"PKCS#8", KEY_PKCS8, NULL},
    {"PKCS#8, AES-256", KEY_PKCS8_ENC, KEY_PASSPHRASE},
    {"PKCS#8, scrypt", KEY_PKCS8_SCRYPT, KEY_PASSPHRASE},
    {"PKCS#8, PBE-SHA1-3DES", KEY_PKCS8_3DES, KEY_PASSPHRASE},
    {"PKCS#1, DES-EDE3-CBC", KEY_PKCS1_DES3, KEY_PASSPHRASE},
    {"PKCS#1, AES-128-CBC", KEY_PKCS1_AES, KEY_PASSPHRASE},
    {"passphrase with a line end", KEY_PKCS1_DES3, KEY_PASSPHRASE "\n"},
    {"passphrase with a DOS line end", KEY_PKCS8_ENC, KEY_PASSPHRASE "\r\n"},
    {"public key in front", KEY_PUBLIC KEY_PKCS8, NULL},
};

START_TEST(a_private_key_is_read_in_every_form_of_whatsapp_1_4)
{
    wf_rsa_key_t *key;

    ck_assert_msg(parse(&key, forms[_i].pem, forms[_i].passphrase) == WF_OK, "%s", forms[_i].name);
    check_opens_wrapped(key);
}
END_TEST

static char *replaced(const char *text, char from, const char *to)
{
    wf_buf_t buf;

    wf_buf_init(&buf, test_pool, 4096, 65536);
    for (; *text; text++) {
        if (*text == from) {
            wf_buf_puts(&buf, to);
        } else {
            wf_buf_putc(&buf, *text);
        }
    }
    return buf.data;
}

START_TEST(a_pem_that_was_mangled_on_its_way_is_mended)
{
    static const char *const line_ends[] = {"\\n", "\\\\n", "\r\n", "\\r\\n", " ", "\n\n", "\n   "};
    static const form_t mangled[] = {{"", KEY_PKCS1, NULL},
                                     {"", KEY_PKCS8, NULL},
                                     {"", KEY_PKCS8_ENC, KEY_PASSPHRASE},
                                     {"", KEY_PKCS1_DES3, KEY_PASSPHRASE}};
    wf_rsa_key_t *key;
    size_t i, j;

    for (i = 0; i < sizeof(line_ends) / sizeof(line_ends[0]); i++) {
        for (j = 0; j < sizeof(mangled) / sizeof(mangled[0]); j++) {
            const char *text = replaced(mangled[j].pem, '\n', line_ends[i]);
            ck_assert_msg(parse(&key, text, mangled[j].passphrase) == WF_OK, "%s", text);
            check_opens_wrapped(key);
        }
    }
    ck_assert_int_eq(parse(&key, apr_pstrcat(test_pool, "\"", KEY_PKCS8, "\"", NULL), NULL), WF_OK);
}
END_TEST

START_TEST(der_is_read_and_written_in_both_forms)
{
    wf_rsa_key_t *key = key_of(test_ctx, KEY_PKCS1), *again;
    unsigned char pkcs1[2048];
    wf_secret_t der;
    char *body;
    size_t len;

    ck_assert_int_eq(wf_rsa_private_der(test_ctx, &der, key), WF_OK);
    ck_assert_int_eq(wf_rsa_parse(test_ctx, &again, der.data, der.len, NULL), WF_OK);
    check_opens_wrapped(again);
    /* what stands between the lines of a PEM is its DER */
    body = apr_pstrdup(test_pool, strchr(KEY_PKCS8, '\n') + 1);
    *strstr(body, "-----END") = '\0';
    body = replaced(body, '\n', "");
    ck_assert_str_eq(wf_base64(test_pool, der.data, der.len), body);
    body = apr_pstrdup(test_pool, strchr(KEY_PKCS1, '\n') + 1);
    *strstr(body, "-----END") = '\0';
    body = replaced(body, '\n', "");
    ck_assert(wf_base64_decode(pkcs1, &len, body, strlen(body)));
    ck_assert_int_eq(wf_rsa_parse(test_ctx, &again, pkcs1, len, NULL), WF_OK);
    check_opens_wrapped(again);
}
END_TEST

START_TEST(the_public_half_is_what_openssl_writes)
{
    const char *pem;

    ck_assert_int_eq(wf_rsa_public_pem(test_ctx, &pem, key_of(test_ctx, KEY_PKCS8)), WF_OK);
    ck_assert_str_eq(pem, KEY_PUBLIC);
}
END_TEST

START_TEST(what_is_no_usable_key_is_refused_with_the_reason)
{
    static const struct {
        const char *text;
        const char *passphrase;
        wf_status_t status;
        const char *reason;
    } refused[] = {
        {"", NULL, WF_EINVALID, "neither PEM"},
        {"0", NULL, WF_EINVALID, "neither PEM"},
        {"hello", NULL, WF_EINVALID, "neither PEM"},
        {"-----BEGIN PRIVATE KEY-----", NULL, WF_EINVALID, "neither PEM"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA", NULL, WF_EINVALID, "neither PEM"},
        {"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----", NULL, WF_EINVALID, "base64"},
        {"-----BEGIN PRIVATE KEY-----\n???\n-----END PRIVATE KEY-----", NULL, WF_EINVALID,
         "base64"},
        {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", NULL, WF_EINVALID,
         "damaged"},
        {KEY_PUBLIC, NULL, WF_EINVALID, "PUBLIC KEY"},
        {KEY_EC, NULL, WF_EINVALID, "no RSA key"},
        {KEY_PSS, NULL, WF_EINVALID, "no RSA key"},
        {KEY_SMALL, NULL, WF_EINVALID, "bits"},
        {KEY_PKCS8_ENC, NULL, WF_EDENIED, "passphrase"},
        {KEY_PKCS8_ENC, "", WF_EDENIED, "passphrase"},
        {KEY_PKCS8_ENC, "wrong", WF_EDENIED, "passphrase"},
        {KEY_PKCS8_SCRYPT, "wrong", WF_EDENIED, "passphrase"},
        {KEY_PKCS8_3DES, "wrong", WF_EDENIED, "passphrase"},
        {KEY_PKCS1_DES3, NULL, WF_EDENIED, "passphrase"},
        {KEY_PKCS1_DES3, "wrong", WF_EDENIED, "passphrase"},
        {KEY_PKCS1_DES3, "wrong\n", WF_EDENIED, "passphrase"},
        {KEY_PKCS8_DES, KEY_PASSPHRASE, WF_EINVALID, "encryption"},
        {KEY_PKCS8_COSTLY, KEY_PASSPHRASE, WF_EINVALID, "costly"},
    };
    wf_rsa_key_t *key;
    size_t i;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        ck_assert_msg(parse(&key, refused[i].text, refused[i].passphrase) == refused[i].status,
                      "%zu: %s", i, refused[i].reason);
        ck_assert_ptr_null(key);
        ck_assert_ptr_nonnull(test_ctx->err.public_text);
        ck_assert_msg(strstr(test_ctx->err.public_text, refused[i].reason) != NULL, "%s: %s",
                      refused[i].reason, test_ctx->err.public_text);
    }
}
END_TEST

START_TEST(many_wrong_passphrases_never_look_like_damage)
{
    wf_rsa_key_t *key;
    int i;

    /* one in 256 wrong keys decrypts to valid padding */
    for (i = 0; i < 600; i++) {
        const char *passphrase = apr_psprintf(test_pool, "wrong %d", i);
        ck_assert_int_eq(parse(&key, KEY_PKCS1_DES3, passphrase), WF_EDENIED);
    }
}
END_TEST

/* Every truncation, and a changed bit in every byte: none of them is a key, because each number of
 * an RSA key follows from the others. */
START_TEST(no_damaged_der_key_is_taken)
{
    wf_secret_t der;
    wf_rsa_key_t *key;
    apr_pool_t *pool;
    size_t i;

    ck_assert_int_eq(wf_rsa_private_der(test_ctx, &der, key_of(test_ctx, KEY_PKCS8)), WF_OK);
    apr_pool_create(&pool, test_pool);
    for (i = 0; i < der.len * 8; i++) {
        unsigned char *copy;

        apr_pool_clear(pool);
        copy = apr_pmemdup(pool, der.data, der.len);
        copy[i / 8] ^= (unsigned char)(1 << i % 8);
        ck_assert_msg(wf_rsa_parse(wf_ctx_make(pool, NULL), &key, copy, der.len, NULL) != WF_OK,
                      "byte %zu, bit %zu", i / 8, i % 8);
    }
    for (i = 0; i < der.len; i++) {
        ck_assert_int_eq(wf_rsa_parse(wf_ctx_make(pool, NULL), &key, der.data, i, NULL),
                         WF_EINVALID);
    }
}
END_TEST

START_TEST(nothing_asks_for_a_passphrase_on_the_terminal)
{
    unsigned char *out;
    wf_rsa_key_t *key;
    int pipe_ends[2];
    size_t len;

    /* A prompt would read /dev/tty or, without one, standard input: leave it open and empty, so
     * that asking would hang until the test's time is up. */
    ck_assert_int_eq(pipe(pipe_ends), 0);
    ck_assert_int_eq(dup2(pipe_ends[0], 0), 0);
    ck_assert_int_eq(parse(&key, KEY_PKCS8_ENC, NULL), WF_EDENIED);
    ck_assert_int_eq(parse(&key, KEY_PKCS1_DES3, NULL), WF_EDENIED);
    ck_assert_int_eq(wf_rsa_encrypt(test_ctx, &out, &len, KEY_PKCS1_DES3, "x", 1), WF_EINVALID);
    ck_assert_int_eq(wf_rsa_encrypt(test_ctx, &out, &len, KEY_PKCS8_ENC, "x", 1), WF_EINVALID);
}
END_TEST

/* ---- decryption -------------------------------------------------------------------------------
 */

START_TEST(other_paddings_lengths_and_keys_all_fail_alike)
{
    wf_rsa_key_t *key = key_of(test_ctx, KEY_PKCS8), *other = key_of(test_ctx, KEY_OTHER);
    unsigned char out[256], zeros[256] = {0}, data[257];
    const char *text;
    size_t len, i;

    ck_assert_int_eq(decrypt(out, &len, other, WRAPPED_AES_KEY), WF_EDENIED);
    text = test_ctx->err.detail;
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(decrypt(out, &len, key, WRAPPED_SHA1), WF_EDENIED);
    ck_assert_str_eq(test_ctx->err.detail, text);
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(decrypt(out, &len, key, WRAPPED_PKCS1), WF_EDENIED);
    ck_assert_str_eq(test_ctx->err.detail, text);
    ck_assert_uint_eq(len, 0);
    ck_assert_mem_eq(out, zeros, sizeof(zeros));
    ck_assert(wf_base64_decode(data, &len, WRAPPED_AES_KEY, strlen(WRAPPED_AES_KEY)));
    data[256] = 0;
    for (i = 0; i <= 257; i++) {
        wf_ctx_clear(test_ctx);
        ck_assert_int_eq(wf_rsa_decrypt(test_ctx, out, &len, key, data, i),
                         i == 256 ? WF_OK : WF_EDENIED);
    }
    for (i = 0; i < 256; i++) {
        data[i] ^= 0x10;
        ck_assert_int_eq(wf_rsa_decrypt(test_ctx, out, &len, key, data, 256), WF_EDENIED);
        data[i] ^= 0x10;
    }
    memset(data, 0xff, 256);
    ck_assert_int_eq(wf_rsa_decrypt(test_ctx, out, &len, key, data, 256), WF_EDENIED);
    memset(data, 0, 256);
    ck_assert_int_eq(wf_rsa_decrypt(test_ctx, out, &len, key, data, 256), WF_EDENIED);
}
END_TEST

START_TEST(a_made_key_opens_what_its_public_half_encrypts)
{
    unsigned char *sealed, out[512];
    wf_rsa_key_t *key;
    const char *pem;
    size_t len;

    ck_assert_int_eq(wf_rsa_generate(test_ctx, &key), WF_OK);
    ck_assert_uint_eq(wf_rsa_size(key), 256);
    ck_assert_int_eq(wf_rsa_public_pem(test_ctx, &pem, key), WF_OK);
    ck_assert_int_eq(wf_rsa_encrypt(test_ctx, &sealed, &len, pem, aes_key, 16), WF_OK);
    ck_assert_uint_eq(len, 256);
    ck_assert_int_eq(wf_rsa_decrypt(test_ctx, out, &len, key, sealed, 256), WF_OK);
    ck_assert_uint_eq(len, 16);
    ck_assert_mem_eq(out, aes_key, 16);
    ck_assert_int_eq(wf_rsa_encrypt(test_ctx, &sealed, &len, "no key", aes_key, 16), WF_EINVALID);
    ck_assert_ptr_null(sealed);
}
END_TEST

/* ---- cache ------------------------------------------------------------------------------------
 */

static void fingerprint_of(unsigned char out[WF_SHA256_LEN], int n)
{
    wf_sha256(out, &n, sizeof(n));
}

START_TEST(a_cached_key_outlives_its_parser_and_is_found_by_its_fingerprint_only)
{
    unsigned char one[WF_SHA256_LEN], two[WF_SHA256_LEN];
    apr_pool_t *parser, *reader;
    wf_rsa_cache_t *cache;
    wf_rsa_key_t *key;

    fingerprint_of(one, 1);
    fingerprint_of(two, 2);
    apr_pool_create(&parser, test_pool);
    apr_pool_create(&reader, test_pool);
    ck_assert_int_eq(wf_rsa_cache_make(test_ctx, &cache, test_pool, 1), WF_OK);
    ck_assert_ptr_null(wf_rsa_cache_find(test_ctx, cache, one));
    wf_rsa_cache_save(test_ctx, cache, one, key_of(wf_ctx_make(parser, NULL), KEY_PKCS8));
    apr_pool_destroy(parser);
    ck_assert_ptr_null(wf_rsa_cache_find(test_ctx, cache, two));
    key = wf_rsa_cache_find(wf_ctx_make(reader, NULL), cache, one);
    ck_assert_ptr_nonnull(key);
    check_opens_wrapped(key);
    apr_pool_destroy(reader);
    check_opens_wrapped(wf_rsa_cache_find(test_ctx, cache, one));
    /* the last byte counts too */
    one[31] ^= 1;
    ck_assert_ptr_null(wf_rsa_cache_find(test_ctx, cache, one));
}
END_TEST

#define SLOTS 16 /* the smallest cache: one set */

static int is_cached(wf_rsa_cache_t *cache, int n)
{
    unsigned char fingerprint[WF_SHA256_LEN];

    fingerprint_of(fingerprint, n);
    return wf_rsa_cache_find(test_ctx, cache, fingerprint) != NULL;
}

static void save(wf_rsa_cache_t *cache, int n, wf_rsa_key_t *key)
{
    unsigned char fingerprint[WF_SHA256_LEN];

    fingerprint_of(fingerprint, n);
    wf_rsa_cache_save(test_ctx, cache, fingerprint, key);
}

START_TEST(a_full_cache_gives_up_the_key_used_longest_ago_and_its_users_keep_it)
{
    wf_rsa_key_t *key = key_of(test_ctx, KEY_PKCS8), *kept;
    unsigned char fingerprint[WF_SHA256_LEN];
    apr_pool_t *other_pool;
    wf_rsa_cache_t *cache;
    int i;

    ck_assert_int_eq(wf_rsa_cache_make(test_ctx, &cache, test_pool, SLOTS), WF_OK);
    for (i = 0; i < SLOTS; i++) {
        apr_pool_create(&other_pool, test_pool);
        save(cache, i, i == 5 ? key_of(wf_ctx_make(other_pool, NULL), KEY_PKCS1) : key);
        apr_pool_destroy(other_pool);
    }
    fingerprint_of(fingerprint, 5);
    kept = wf_rsa_cache_find(test_ctx, cache, fingerprint);
    for (i = 0; i < SLOTS; i++) {
        ck_assert(i == 5 || is_cached(cache, i));
    }
    save(cache, SLOTS, key);
    for (i = 0; i <= SLOTS; i++) {
        ck_assert_int_eq(is_cached(cache, i), i != 5);
    }
    check_opens_wrapped(kept);
}
END_TEST

START_TEST(saving_a_fingerprint_again_replaces_its_key_in_place)
{
    unsigned char fingerprint[WF_SHA256_LEN];
    wf_rsa_key_t *first = key_of(test_ctx, KEY_PKCS8), *second = key_of(test_ctx, KEY_OTHER);
    wf_rsa_cache_t *cache;

    ck_assert_int_eq(wf_rsa_cache_make(test_ctx, &cache, test_pool, SLOTS), WF_OK);
    fingerprint_of(fingerprint, 0);
    wf_rsa_cache_save(test_ctx, cache, fingerprint, first);
    wf_rsa_cache_save(test_ctx, cache, fingerprint, second);
    ck_assert_ptr_eq(wf_rsa_cache_find(test_ctx, cache, fingerprint), second);
    wf_rsa_cache_save(test_ctx, cache, fingerprint, second);
    ck_assert_ptr_eq(wf_rsa_cache_find(test_ctx, cache, fingerprint), second);
}
END_TEST

/* ---- threads ----------------------------------------------------------------------------------
 */

#define THREADS 4
#define ROUNDS 300
#define FINGERPRINTS \
    24 /* three times what the cache holds, so that slots are replaced all the time */

typedef struct {
    wf_rsa_cache_t *cache;
    unsigned char sealed[256];
    unsigned seed;
    int wrong;
} worker_t;

static wf_rsa_key_t *find_or_parse(wf_ctx_t *ctx, wf_rsa_cache_t *cache, int n)
{
    unsigned char fingerprint[WF_SHA256_LEN];
    wf_rsa_key_t *key;

    fingerprint_of(fingerprint, n);
    key = wf_rsa_cache_find(ctx, cache, fingerprint);
    if (!key) {
        const char *pem = n % 2 ? KEY_OTHER : KEY_PKCS8;
        if (wf_rsa_parse(ctx, &key, pem, strlen(pem), NULL) == WF_OK) {
            wf_rsa_cache_save(ctx, cache, fingerprint, key);
        }
    }
    return key;
}

static void *work(void *baton)
{
    worker_t *w = baton;
    apr_pool_t *pool;
    int i;

    apr_pool_create(&pool, NULL);
    for (i = 0; i < ROUNDS; i++) {
        int n = rand_r(&w->seed) % FINGERPRINTS;
        wf_ctx_t *ctx = wf_ctx_make(pool, NULL);
        wf_rsa_key_t *key = find_or_parse(ctx, w->cache, n);
        unsigned char out[256];
        size_t len;

        w->wrong += !key || wf_rsa_decrypt(ctx, out, &len, key, w->sealed, sizeof(w->sealed)) !=
                                (n % 2 ? WF_EDENIED : WF_OK);
        apr_pool_clear(pool);
    }
    apr_pool_destroy(pool);
    return NULL;
}

START_TEST(threads_share_keys_while_slots_are_replaced)
{
    pthread_t threads[THREADS];
    worker_t workers[THREADS];
    wf_rsa_cache_t *cache;
    size_t len;
    int i;

    ck_assert_int_eq(wf_rsa_cache_make(test_ctx, &cache, test_pool, SLOTS), WF_OK);
    for (i = 0; i < THREADS; i++) {
        workers[i] = (worker_t){.cache = cache, .seed = (unsigned)i};
        ck_assert(
            wf_base64_decode(workers[i].sealed, &len, WRAPPED_AES_KEY, strlen(WRAPPED_AES_KEY)));
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(workers[i].wrong, 0);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("rsa");
    TCase *tc = wf_test_case(s, "rsa");

    tcase_add_loop_test(tc, a_private_key_is_read_in_every_form_of_whatsapp_1_4, 0,
                        sizeof(forms) / sizeof(forms[0]));
    tcase_add_test(tc, a_pem_that_was_mangled_on_its_way_is_mended);
    tcase_add_test(tc, der_is_read_and_written_in_both_forms);
    tcase_add_test(tc, the_public_half_is_what_openssl_writes);
    tcase_add_test(tc, what_is_no_usable_key_is_refused_with_the_reason);
    tcase_add_test(tc, many_wrong_passphrases_never_look_like_damage);
    tcase_add_test(tc, no_damaged_der_key_is_taken);
    tcase_add_test(tc, nothing_asks_for_a_passphrase_on_the_terminal);
    tcase_add_test(tc, other_paddings_lengths_and_keys_all_fail_alike);
    tcase_add_test(tc, a_made_key_opens_what_its_public_half_encrypts);
    tcase_add_test(tc, a_cached_key_outlives_its_parser_and_is_found_by_its_fingerprint_only);
    tcase_add_test(tc, a_full_cache_gives_up_the_key_used_longest_ago_and_its_users_keep_it);
    tcase_add_test(tc, saving_a_fingerprint_again_replaces_its_key_in_place);
    tcase_add_test(tc, threads_share_keys_while_slots_are_replaced);
    return wf_test_run(s);
}
