/* Files that users send in a flow: the CDN's encryption (WHATSAPP.md 3.3), our form at rest,
 * references. */
#include "crypto/wf_crypto.h"
#include "json/wf_json.h"
#include "webhook/wf_media_ref.h"
#include "wf_corpus.h"
#include "wf_test.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define COMPANY "0190163d-8694-739b-aea5-966c26f8ad91"
#define OTHER_COMPANY "0190163d-8694-739b-aea5-966c26f8ad92"

static wf_status_t gather(wf_ctx_t *ctx, const void *data, size_t len, void *baton)
{
    wf_buf_add(baton, data, len);
    return WF_OK;
}

static wf_buf_t buffer(void)
{
    wf_buf_t buf;

    wf_buf_init(&buf, test_pool, 4096, (size_t)64 * 1024 * 1024);
    return buf;
}

static wf_json_t *json(const char *text)
{
    wf_json_t *doc;

    ck_assert_int_eq(wf_json_parse(test_ctx, &doc, text, strlen(text), 0), WF_OK);
    return doc;
}

/* ---- the CDN's encryption ------------------------------------------------------------------- */

/* Independent of the library: OpenSSL's one-shot calls. `pad` bytes of value `pad_byte` are added.
 */
static wf_buf_t encrypted(wf_media_keys_t *keys, const void *plain, size_t len, size_t pad,
                          int pad_byte)
{
    EVP_CIPHER_CTX *cbc = EVP_CIPHER_CTX_new();
    unsigned char *padded = apr_palloc(test_pool, len + pad + 1);
    wf_buf_t file = buffer(), signed_bytes = buffer();
    unsigned char mac[32];
    int n;

    memset(keys, 0, sizeof(*keys));
    memset(keys->iv, 3, sizeof(keys->iv));
    memset(keys->encryption_key, 1, 32);
    memset(keys->hmac_key, 2, 32);
    wf_sha256(keys->plaintext_hash, plain, len);
    memcpy(padded, plain, len);
    memset(padded + len, pad_byte, pad);
    EVP_EncryptInit_ex(cbc, EVP_aes_256_cbc(), NULL, keys->encryption_key, keys->iv);
    EVP_CIPHER_CTX_set_padding(cbc, 0);
    n = 0;
    EVP_EncryptUpdate(cbc, (unsigned char *)wf_buf_reserve(&file, len + pad + 16), &n, padded,
                      (int)(len + pad));
    EVP_CIPHER_CTX_free(cbc);
    file.len += (size_t)n;
    wf_buf_add(&signed_bytes, keys->iv, 16);
    wf_buf_add(&signed_bytes, file.data, file.len);
    HMAC(EVP_sha256(), keys->hmac_key, 32, (unsigned char *)signed_bytes.data, signed_bytes.len,
         mac, NULL);
    wf_buf_add(&file, mac, 10);
    wf_sha256(keys->encrypted_hash, file.data, file.len);
    return file;
}

/* Both passes, `step` bytes at a time. */
static wf_status_t decrypt(wf_buf_t *plain, const wf_media_keys_t *keys, const char *file,
                           size_t len, size_t step)
{
    wf_media_check_t *check = wf_media_check_make(test_pool, keys);
    wf_media_decrypt_t *d;
    uint64_t cipher_len;
    wf_status_t st;
    size_t at, n;

    for (at = 0; at < len; at += n) {
        n = len - at < step ? len - at : step;
        wf_media_check_add(check, file + at, n);
    }
    if ((st = wf_media_check_end(test_ctx, &cipher_len, check)) != WF_OK) {
        return st;
    }
    ck_assert_uint_eq(cipher_len, len - 10);
    ck_assert_int_eq(wf_media_decrypt_make(test_ctx, &d, keys, gather, plain), WF_OK);
    for (at = 0; st == WF_OK && at < cipher_len; at += n) {
        n = cipher_len - at < step ? (size_t)cipher_len - at : step;
        st = wf_media_decrypt_add(test_ctx, d, file + at, n);
    }
    return st == WF_OK ? wf_media_decrypt_end(test_ctx, d) : st;
}

static void refused(const wf_media_keys_t *keys, const char *file, size_t len, const char *why)
{
    wf_buf_t plain = buffer();

    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(decrypt(&plain, keys, file, len, 7), WF_EDENIED);
    ck_assert_msg(strstr(test_ctx->err.public_text, why) != NULL, "'%s' is not about '%s'",
                  test_ctx->err.public_text, why);
    wf_ctx_clear(test_ctx);
}

static wf_media_ref_t *only_ref(wf_json_t **doc)
{
    apr_array_header_t *refs = wf_media_refs_take(test_ctx, doc, COMPANY, "owner");

    ck_assert_int_eq(refs->nelts, 1);
    return APR_ARRAY_IDX(refs, 0, wf_media_ref_t *);
}

#define VECTOR                                                              \
    "{\"op\": \"docs\", \"id_scan\": [{"                                    \
    "\"media_id\": \"5b0e7f2e-0c55-4a0e-9a44-6f7a1d2c9a10\","               \
    "\"cdn_url\": \"https://mmg.whatsapp.net/v/t62/example\","              \
    "\"file_name\": \"scan.jpg\","                                          \
    "\"encryption_metadata\": {"                                            \
    "\"encrypted_hash\": \"ioHPaBNyRv4rYTCbQLFF03fZw8oz/8RWpAOIJ4UFa6U=\"," \
    "\"iv\": \"QEFCQ0RFRkdISUpLTE1OTw==\","                                 \
    "\"encryption_key\": \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"," \
    "\"hmac_key\": \"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=\","       \
    "\"plaintext_hash\": \"eyO6ipAIseL8SS9w3zAZ2ZLHDC6Mv6qXrQDmtMhg+3k=\"}}]}"

START_TEST(the_vector_of_the_protocol_decrypts_in_pieces_of_any_length)
{
    static const char file64[] = "pFcf6MLTUNC9btN6JwXmhKFCf1B+w7pkjkU=";
    unsigned char file[64];
    wf_json_t *doc = json(VECTOR);
    wf_media_ref_t *ref = only_ref(&doc);
    size_t len, step;

    ck_assert(wf_base64_decode(file, &len, file64, strlen(file64)));
    for (step = 1; step <= len; step++) {
        wf_buf_t plain = buffer();

        ck_assert_int_eq(decrypt(&plain, &ref->keys, (char *)file, len, step), WF_OK);
        ck_assert_str_eq(plain.data, "hello media\n");
    }
}
END_TEST

START_TEST(the_recorded_file_of_the_corpus_decrypts)
{
    const char *dir = wf_corpus_dir();
    unsigned char *file, *expected;
    wf_media_ref_t *ref;
    wf_json_t *doc, *v, *one;
    wf_buf_t plain = buffer();
    size_t len, expected_len;

    if (!dir) {
        return;
    }
    v = wf_corpus_read(apr_pstrcat(test_pool, dir, "/vectors/pywa_flow_media_jpeg.json", NULL));
    one = json("{\"photo\": {\"media_id\": \"m\", \"cdn_url\": \"https://mmg.whatsapp.net/x\"}}");
    wf_json_set(wf_json_get(one, "photo"), "encryption_metadata",
                wf_json_get(v, "encryption_metadata"));
    doc = one;
    ref = only_ref(&doc);
    file = apr_palloc(test_pool, 4096);
    expected = apr_palloc(test_pool, 4096);
    ck_assert(wf_base64_decode(file, &len, wf_json_get_str(v, "cdn_file_base64", ""),
                               strlen(wf_json_get_str(v, "cdn_file_base64", ""))));
    ck_assert(wf_base64_decode(expected, &expected_len,
                               wf_json_get_str(v, "expected_plaintext_base64", ""),
                               strlen(wf_json_get_str(v, "expected_plaintext_base64", ""))));
    ck_assert_int_eq(decrypt(&plain, &ref->keys, (char *)file, len, 100), WF_OK);
    ck_assert_uint_eq(plain.len, expected_len);
    ck_assert_mem_eq(plain.data, expected, expected_len);
    ck_assert_str_eq(wf_media_sniff(plain.data, plain.len, NULL), "image/jpeg");
}
END_TEST

START_TEST(every_length_round_the_block_decrypts)
{
    static const char text[] = "0123456789abcdef0123456789abcdef0123456789abcdef";
    wf_media_keys_t keys;
    size_t len;

    for (len = 0; len < 48; len++) {
        wf_buf_t plain = buffer(),
                 file = encrypted(&keys, text, len, 16 - len % 16, (int)(16 - len % 16));

        ck_assert_int_eq(decrypt(&plain, &keys, file.data, file.len, 5), WF_OK);
        ck_assert_uint_eq(plain.len, len);
        ck_assert_mem_eq(plain.data, text, len);
    }
}
END_TEST

START_TEST(a_file_that_is_not_what_was_named_is_refused_by_the_check_that_finds_it)
{
    wf_media_keys_t keys, wrong;
    wf_buf_t file = encrypted(&keys, "hello", 5, 11, 11);

    wrong = keys;
    wrong.encrypted_hash[0] ^= 1;
    refused(&wrong, file.data, file.len, "encrypted_hash");
    wrong = keys;
    wrong.hmac_key[31] ^= 1;
    refused(&wrong, file.data, file.len, "MAC");
    wrong = keys;
    wrong.iv[0] ^= 1;
    refused(&wrong, file.data, file.len, "MAC");
    wrong = keys;
    wrong.plaintext_hash[5] ^= 1;
    refused(&wrong, file.data, file.len, "plaintext_hash");
    /* Padding: hash and MAC are right each time. */
    file = encrypted(&keys, "hello", 5, 11, 12);
    refused(&keys, file.data, file.len, "padding");
    file = encrypted(&keys, "hello", 5, 11, 0);
    refused(&keys, file.data, file.len, "padding");
    file = encrypted(&keys, "hello", 5, 11, 17);
    refused(&keys, file.data, file.len, "padding");
}
END_TEST

START_TEST(a_file_of_an_impossible_length_is_refused)
{
    static const char bytes[64] = "x";
    wf_media_keys_t keys;
    size_t len;

    memset(&keys, 0, sizeof(keys));
    for (len = 0; len < sizeof(bytes); len++) {
        if (len == 26 || len == 42 || len == 58) {
            continue;
        }
        wf_sha256(keys.encrypted_hash, bytes, len);
        refused(&keys, bytes, len, "length");
    }
}
END_TEST

/* ---- our form at rest ----------------------------------------------------------------------- */

static const unsigned char vault_key[WF_VAULT_KEY_LEN] = {1, 2, 3};
static const wf_seal_place_t here = {"media", "content", COMPANY, "one"};

static wf_buf_t sealed(const char *plain, size_t len, size_t step)
{
    wf_buf_t out = buffer();
    wf_vault_t *vault;
    size_t at, n;

    ck_assert_int_eq(wf_vault_seal(test_ctx, &vault, vault_key, &here, gather, &out), WF_OK);
    for (at = 0; at < len; at += n) {
        n = len - at < step ? len - at : step;
        ck_assert_int_eq(wf_vault_add(test_ctx, vault, plain + at, n), WF_OK);
    }
    ck_assert_int_eq(wf_vault_end(test_ctx, vault), WF_OK);
    return out;
}

static wf_status_t opened(wf_buf_t *plain, const char *file, size_t len, size_t step,
                          const wf_seal_place_t *place)
{
    wf_vault_t *vault;
    wf_status_t st;
    size_t at, n;

    *plain = buffer();
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(wf_vault_open(test_ctx, &vault, vault_key, place, gather, plain), WF_OK);
    for (at = 0, st = WF_OK; st == WF_OK && at < len; at += n) {
        n = len - at < step ? len - at : step;
        st = wf_vault_add(test_ctx, vault, file + at, n);
    }
    return st == WF_OK ? wf_vault_end(test_ctx, vault) : st;
}

START_TEST(a_sealed_file_of_any_length_opens_again)
{
    static const size_t lengths[] = {0, 1, 65535, 65536, 65537, 131072, 200000};
    char *text = apr_pcalloc(test_pool, 200000);
    wf_buf_t file, plain;
    size_t i;

    for (i = 0; i < 200000; i++) {
        text[i] = (char)(i * 7 + i / 251);
    }
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        file = sealed(text, lengths[i], 1000 + i);
        ck_assert_int_eq(opened(&plain, file.data, file.len, 777, &here), WF_OK);
        ck_assert_uint_eq(plain.len, lengths[i]);
        ck_assert_mem_eq(plain.data, text, lengths[i]);
    }
}
END_TEST

#define PIECE (WF_VAULT_CHUNK + 16)

START_TEST(a_sealed_file_that_was_cut_reordered_extended_or_changed_does_not_open)
{
    char *text = apr_pcalloc(test_pool, 3 * WF_VAULT_CHUNK);
    wf_buf_t file = sealed(text, 3 * WF_VAULT_CHUNK, 5000), plain;
    char *copy = apr_palloc(test_pool, file.len + PIECE);
    size_t cut;

    ck_assert_uint_eq(file.len, 4 + 3 * (size_t)PIECE);
    for (cut = 1; cut <= 3; cut++) { /* at the ends of pieces: nothing but the flag tells */
        ck_assert_int_eq(opened(&plain, file.data, file.len - cut * PIECE, 4096, &here),
                         WF_EDENIED);
    }
    ck_assert_int_eq(opened(&plain, file.data, file.len - 1, 4096, &here), WF_EDENIED);
    ck_assert_int_eq(opened(&plain, file.data, 2, 4096, &here), WF_EDENIED);
    ck_assert_int_eq(opened(&plain, "", 0, 4096, &here), WF_EDENIED);
    memcpy(copy, file.data, 4);
    memcpy(copy + 4, file.data + 4 + PIECE, PIECE);
    memcpy(copy + 4 + PIECE, file.data + 4, PIECE);
    memcpy(copy + 4 + 2 * PIECE, file.data + 4 + 2 * PIECE, PIECE);
    ck_assert_int_eq(opened(&plain, copy, file.len, 4096, &here), WF_EDENIED);
    ck_assert_uint_eq(plain.len, 0);
    memcpy(copy, file.data, file.len);
    memcpy(copy + file.len, file.data + 4, PIECE);
    ck_assert_int_eq(opened(&plain, copy, file.len + PIECE, 4096, &here), WF_EDENIED);
    memcpy(copy, file.data, file.len);
    copy[100] ^= 1;
    ck_assert_int_eq(opened(&plain, copy, file.len, 4096, &here), WF_EDENIED);
    memcpy(copy, "wff2", 4);
    ck_assert_int_eq(opened(&plain, copy, file.len, 4096, &here), WF_EDENIED);
}
END_TEST

START_TEST(a_sealed_file_opens_in_its_own_place_only)
{
    const wf_seal_place_t other_file = {"media", "content", COMPANY, "two"};
    const wf_seal_place_t other_company = {"media", "content", OTHER_COMPANY, "one"};
    wf_buf_t file = sealed("hello", 5, 5), plain;

    ck_assert_int_eq(opened(&plain, file.data, file.len, 5, &here), WF_OK);
    ck_assert_int_eq(opened(&plain, file.data, file.len, 5, &other_file), WF_EDENIED);
    ck_assert_int_eq(opened(&plain, file.data, file.len, 5, &other_company), WF_EDENIED);
}
END_TEST

/* ---- references -------------------------------------------------------------------------------
 */

START_TEST(a_reference_is_named_and_its_secrets_are_gone)
{
    wf_json_t *doc = json(VECTOR), *before = doc;
    wf_media_ref_t *ref = only_ref(&doc), again;
    const char *text = wf_json_text(test_pool, doc, NULL), *secret;
    size_t len;

    ck_assert_str_eq(ref->media_id, "5b0e7f2e-0c55-4a0e-9a44-6f7a1d2c9a10");
    ck_assert_str_eq(ref->cdn_url, "https://mmg.whatsapp.net/v/t62/example");
    ck_assert_int_eq(ref->keys.hmac_key[31], 0x3f);
    ck_assert(wf_uuid_is(ref->id));
    ck_assert_str_eq(
        text,
        apr_psprintf(
            test_pool,
            "{\"op\":\"docs\",\"id_scan\":[{\"id\":\"%s\",\"media_id\":\"5b0e7f2e-0c55-4a0e-"
            "9a44-6f7a1d2c9a10\",\"file_name\":\"scan.jpg\",\"sha256\":\"7b23ba8a9008b1e2fc492"
            "f70df3019d992c70c2e8cbfaa97ad00e6b4c860fb79\",\"status\":\"pending\"}]}",
            ref->id));
    ck_assert(wf_json_equal(before, json(VECTOR))); /* the caller's own is not touched */
    secret = wf_media_ref_secret(test_pool, ref, &len);
    memset(&again, 0, sizeof(again));
    ck_assert_int_eq(wf_media_ref_secret_parse(test_ctx, &again, secret, len), WF_OK);
    ck_assert_str_eq(again.cdn_url, ref->cdn_url);
    ck_assert_mem_eq(&again.keys, &ref->keys, sizeof(again.keys));
    ck_assert_int_eq(wf_media_ref_secret_parse(test_ctx, &again, secret, len - 40), WF_EINVALID);
    ck_assert_int_eq(wf_media_ref_secret_parse(test_ctx, &again, secret, 10), WF_EINVALID);
    /* A name is no reference: what comes back in the completion message is not fetched again. */
    ck_assert_int_eq(wf_media_refs_take(test_ctx, &doc, COMPANY, "owner")->nelts, 0);
}
END_TEST

START_TEST(the_id_depends_on_company_owner_and_file)
{
    wf_json_t *a = json(VECTOR), *b = json(VECTOR), *c = json(VECTOR), *d = json(VECTOR);
    wf_media_ref_t *first = only_ref(&a), *again = only_ref(&b);
    wf_media_ref_t *other =
        APR_ARRAY_IDX(wf_media_refs_take(test_ctx, &c, COMPANY, "x"), 0, wf_media_ref_t *);
    wf_media_ref_t *theirs = APR_ARRAY_IDX(wf_media_refs_take(test_ctx, &d, OTHER_COMPANY, "owner"),
                                           0, wf_media_ref_t *);

    ck_assert_str_eq(first->id, again->id);
    ck_assert_str_ne(first->id, other->id);
    ck_assert_str_ne(first->id, theirs->id);
}
END_TEST

START_TEST(a_file_of_a_completion_message_is_found_with_its_hash_as_hex_or_base64)
{
    wf_json_t *doc = json(
        "{\"photos\": [{\"file_name\": \"IMG.jpg\", \"mime_type\": \"image/jpeg\", \"sha256\": "
        "\"eyO6ipAIseL8SS9w3zAZ2ZLHDC6Mv6qXrQDmtMhg+3k=\", \"id\": \"1234567890\"}]}");
    wf_media_ref_t *ref = only_ref(&doc);
    size_t len;

    ck_assert_int_eq(ref->source, WF_MEDIA_FROM_GRAPH);
    ck_assert_str_eq(ref->media_id, "1234567890");
    ck_assert_str_eq(ref->mime_type, "image/jpeg");
    ck_assert_str_eq(ref->sha256,
                     "7b23ba8a9008b1e2fc492f70df3019d992c70c2e8cbfaa97ad00e6b4c860fb79");
    ck_assert_ptr_null(wf_media_ref_secret(test_pool, ref, &len));
    doc = json(
        "{\"a\": {\"b\": {\"file_name\": \"x\", \"mime_type\": \"a/b\", \"id\": \"1\", \"sha256\":"
        " \"7B23BA8A9008B1E2FC492F70DF3019D992C70C2E8CBFAA97AD00E6B4C860FB79\"}}}");
    ck_assert_str_eq(only_ref(&doc)->sha256, ref->sha256);
}
END_TEST

START_TEST(what_is_no_reference_is_left_alone)
{
    static const char *const docs[] = {
        "{}",
        "[]",
        "{\"a\": [1, \"x\", null, {\"id\": \"1\", \"title\": \"One\"}]}",
        /* An id that would lead elsewhere in the Graph API. */
        "{\"a\": {\"file_name\": \"x\", \"mime_type\": \"a/b\", \"id\": \"1/../me\", \"sha256\": "
        "\"7b23ba8a9008b1e2fc492f70df3019d992c70c2e8cbfaa97ad00e6b4c860fb79\"}}",
        "{\"a\": {\"file_name\": \"x\", \"mime_type\": \"a/b\", \"id\": \"1\", \"sha256\": "
        "\"no\"}}",
    };
    size_t i;

    for (i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
        wf_json_t *doc = json(docs[i]), *before = doc;

        ck_assert_int_eq(wf_media_refs_take(test_ctx, &doc, COMPANY, "o")->nelts, 0);
        ck_assert_ptr_eq(doc, before);
    }
}
END_TEST

/* The vector with one member changed. */
static const char *fault_of(const char *member, const char *value)
{
    wf_json_t *doc = json(VECTOR), *file = wf_json_at(wf_json_get(doc, "id_scan"), 0);
    wf_json_t *meta = wf_json_get(file, "encryption_metadata");

    wf_json_set_str(wf_json_has(meta, member) ? meta : file, member, value);
    if (wf_media_refs_take(test_ctx, &doc, COMPANY, "o")->nelts > 0) {
        return "none";
    }
    ck_assert_ptr_null(strstr(wf_json_text(test_pool, doc, NULL), "AAECAwQF"));
    ck_assert_str_eq(wf_json_str(wf_json_pointer_get(doc, "/id_scan/0/status")), "failed");
    return wf_json_str(wf_json_pointer_get(doc, "/id_scan/0/reason"));
}

START_TEST(a_bad_reference_is_named_as_failed_with_the_reason)
{
    static const char lengths[] = "encryption_metadata is not base64 of the right lengths";
    static const char url[] = "cdn_url is no URL of a server";

    ck_assert_str_eq(fault_of("iv", "QEFCQ0RFRkdISUpLTE1O"), lengths);
    ck_assert_str_eq(fault_of("encryption_key", "!AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
                     lengths);
    ck_assert_str_eq(fault_of("hmac_key", ""), lengths);
    ck_assert_str_eq(fault_of("plaintext_hash", "AA=="), lengths);
    ck_assert_str_eq(fault_of("encrypted_hash",
                              "ioHPaBNyRv4rYTCbQLFF03fZw8oz/8RWpAOIJ4UFa6UioHPaBNyRv4rYTCbQLFF03fZ"
                              "w8oz/8RWpAOIJ4UFa6U="),
                     lengths);
    ck_assert_str_eq(fault_of("cdn_url", "file:///etc/passwd"), url);
    ck_assert_str_eq(fault_of("cdn_url", "https://mmg.whatsapp.net@evil.example/"), url);
    ck_assert_str_eq(fault_of("cdn_url", "https://evil.example\\.whatsapp.net/"), url);
    ck_assert_str_eq(fault_of("cdn_url", "https:///x"), url);
    ck_assert_str_eq(fault_of("media_id", ""), "media_id is not a short text");
    ck_assert_str_eq(fault_of("media_id", "a\nb"), "media_id is not a short text");
    ck_assert_str_eq(fault_of("file_name", "\x01"), "none"); /* left out: it is only for people */
}
END_TEST

START_TEST(more_than_thirty_files_are_not_taken)
{
    wf_json_t *one = wf_json_at(wf_json_get(json(VECTOR), "id_scan"), 0);
    wf_json_t *doc = wf_json_object_make(test_pool), *all = wf_json_array_make(test_pool);
    int i;

    for (i = 0; i < 33; i++) {
        wf_json_t *copy = wf_json_copy(test_pool, one);

        wf_json_set_str(copy, "media_id", apr_itoa(test_pool, i));
        wf_json_push(all, copy);
    }
    wf_json_set(doc, "all", all);
    ck_assert_int_eq(wf_media_refs_take(test_ctx, &doc, COMPANY, "o")->nelts, 30);
    ck_assert_str_eq(wf_json_str(wf_json_pointer_get(doc, "/all/29/status")), "pending");
    ck_assert_str_eq(wf_json_str(wf_json_pointer_get(doc, "/all/30/status")), "failed");
    ck_assert_ptr_null(strstr(wf_json_text(test_pool, doc, NULL), "encryption_key"));
}
END_TEST

static const char *hidden(const char *text)
{
    wf_slice_t slice = {text, strlen(text)};

    wf_media_keys_hide(test_ctx, &slice);
    ck_assert_int_eq(test_ctx->err.status, WF_OK);
    return apr_pstrmemdup(test_pool, slice.data, slice.len);
}

START_TEST(keys_are_hidden_wherever_they_stand)
{
    static const char reference[] =
        "{\"media_id\": \"m\", \"cdn_url\": \"https://mmg.whatsapp.net/secret\","
        " \"encryption_metadata\": {\"encryption_key\": \"secret\"}}";
    static const char named[] = "{\"media_id\":\"m\",\"encryption_metadata\":\"[redacted]\"}";
    const char *twice = wf_json_text(test_pool, wf_json_str_make(test_pool, reference), NULL);

    ck_assert_str_eq(hidden(reference), named);
    ck_assert_str_eq(hidden(apr_pstrcat(test_pool, "[1.50,{\"a\":[", reference, "]}]", NULL)),
                     apr_pstrcat(test_pool, "[1.50,{\"a\":[", named, "]}]", NULL));
    ck_assert_str_eq(wf_json_str(json(hidden(twice))), named);
    twice = apr_pstrcat(test_pool, "{\"response_json\": ", twice, "}", NULL);
    twice = wf_json_text(test_pool, wf_json_str_make(test_pool, twice), NULL);
    ck_assert_ptr_null(strstr(hidden(twice), "secret"));
    ck_assert_ptr_null(strstr(hidden(apr_pstrcat(test_pool, "{\"encryption_metadata\": 1, \"x\": ",
                                                 reference, "}", NULL)),
                              "secret"));
    /* Answers that break off. */
    twice = wf_json_text(
        test_pool, wf_json_str_make(test_pool, apr_pstrndup(test_pool, reference, sizeof(reference) - 3)),
        NULL);
    ck_assert_str_eq(hidden(twice), "\"[redacted]\"");
}
END_TEST

START_TEST(what_has_no_keys_stays_as_it_came)
{
    static const char *const texts[] = {
        "{ \"a\" : 1e400, \"a\":\"\\u0041\" }", "{\"body\": \"what is encryption_metadata?\"}",
        "\"encryption_metadata\"", "[ \"{encryption_metada\" ]"};
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_str_eq(hidden(texts[i]), texts[i]);
    }
}
END_TEST

START_TEST(only_https_of_the_named_hosts_is_fetched)
{
    apr_array_header_t *rules = apr_array_make(test_pool, 3, sizeof(const char *));

    APR_ARRAY_PUSH(rules, const char *) = ".whatsapp.net";
    APR_ARRAY_PUSH(rules, const char *) = "http://127.0.0.1:8080";
    ck_assert(wf_media_url_allowed(rules, "https://mmg.whatsapp.net/v/x?y=1"));
    ck_assert(wf_media_url_allowed(rules, "https://MMG.WhatsApp.net:443/v"));
    ck_assert(wf_media_url_allowed(rules, "http://127.0.0.1:8080/file"));
    ck_assert(!wf_media_url_allowed(rules, "http://mmg.whatsapp.net/v"));
    ck_assert(!wf_media_url_allowed(rules, "https://mmg.whatsapp.net:8443/v"));
    ck_assert(!wf_media_url_allowed(rules, "https://whatsapp.net.evil.example/"));
    ck_assert(!wf_media_url_allowed(rules, "https://evilwhatsapp.net/"));
    ck_assert(!wf_media_url_allowed(rules, "https://.whatsapp.net/"));
    ck_assert(!wf_media_url_allowed(rules, "https://evil.example/.whatsapp.net"));
    ck_assert(!wf_media_url_allowed(rules, "https://evil.example#.whatsapp.net"));
    ck_assert(!wf_media_url_allowed(rules, "https://evil.example?.whatsapp.net"));
    ck_assert(!wf_media_url_allowed(rules, "https://a@mmg.whatsapp.net/"));
    ck_assert(!wf_media_url_allowed(rules, "https://mmg.whatsapp.net:/"));
    ck_assert(!wf_media_url_allowed(rules, "http://127.0.0.1:80801/file"));
    ck_assert(!wf_media_url_allowed(rules, "http://127.0.0.1:8080@evil.example/file"));
    ck_assert(!wf_media_url_allowed(rules, "https://mmg.whatsapp.net /"));
    ck_assert(!wf_media_url_allowed(rules, NULL));
    ck_assert(!wf_media_url_allowed(NULL, "https://mmg.whatsapp.net/"));
    ck_assert_ptr_null(wf_media_host_check(".fbcdn.net"));
    ck_assert_ptr_null(wf_media_host_check("http://127.0.0.1:8080"));
    ck_assert_ptr_nonnull(wf_media_host_check("whatsapp.net"));
    ck_assert_ptr_nonnull(wf_media_host_check("."));
    ck_assert_ptr_nonnull(wf_media_host_check(".*"));
    ck_assert_ptr_nonnull(wf_media_host_check("http://127.0.0.1:8080/"));
    ck_assert_ptr_nonnull(wf_media_host_check("ftp://x"));
}
END_TEST

START_TEST(the_first_bytes_say_what_a_file_is)
{
    ck_assert_str_eq(wf_media_sniff("\x89PNG\r\n\x1a\n....", 12, "text/plain"), "image/png");
    ck_assert_str_eq(wf_media_sniff("%PDF-1.7", 8, NULL), "application/pdf");
    ck_assert_str_eq(wf_media_sniff("%PDF", 4, NULL), "application/octet-stream");
    ck_assert_str_eq(wf_media_sniff("hello", 5, "text/plain"), "text/plain");
    ck_assert_str_eq(wf_media_sniff("PK\3\4", 4, NULL), "application/zip");
    ck_assert_str_eq(wf_media_sniff("PK\3\4", 4, "application/vnd.oasis.opendocument.text"),
                     "application/vnd.oasis.opendocument.text");
    ck_assert_str_eq(wf_media_sniff("RIFF....WEBP", 12, NULL), "image/webp");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("media");
    TCase *tc = wf_test_case(s, "CDN files");

    tcase_add_test(tc, the_vector_of_the_protocol_decrypts_in_pieces_of_any_length);
    tcase_add_test(tc, the_recorded_file_of_the_corpus_decrypts);
    tcase_add_test(tc, every_length_round_the_block_decrypts);
    tcase_add_test(tc, a_file_that_is_not_what_was_named_is_refused_by_the_check_that_finds_it);
    tcase_add_test(tc, a_file_of_an_impossible_length_is_refused);
    tc = wf_test_case(s, "files at rest");
    tcase_add_test(tc, a_sealed_file_of_any_length_opens_again);
    tcase_add_test(tc, a_sealed_file_that_was_cut_reordered_extended_or_changed_does_not_open);
    tcase_add_test(tc, a_sealed_file_opens_in_its_own_place_only);
    tc = wf_test_case(s, "references");
    tcase_add_test(tc, a_reference_is_named_and_its_secrets_are_gone);
    tcase_add_test(tc, the_id_depends_on_company_owner_and_file);
    tcase_add_test(tc, a_file_of_a_completion_message_is_found_with_its_hash_as_hex_or_base64);
    tcase_add_test(tc, what_is_no_reference_is_left_alone);
    tcase_add_test(tc, a_bad_reference_is_named_as_failed_with_the_reason);
    tcase_add_test(tc, more_than_thirty_files_are_not_taken);
    tcase_add_test(tc, keys_are_hidden_wherever_they_stand);
    tcase_add_test(tc, what_has_no_keys_stays_as_it_came);
    tcase_add_test(tc, only_https_of_the_named_hosts_is_fetched);
    tcase_add_test(tc, the_first_bytes_say_what_a_file_is);
    return wf_test_run(s);
}
