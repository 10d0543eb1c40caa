#include "crypto/wf_crypto.h"
#include "wf_test.h"

#include <string.h>

#define COMPANY "0190163d-8694-739b-aea5-966c26f8ad91"
#define OTHER_COMPANY "0190163d-8694-739b-aea5-966c26f8ad92"
#define ROW "0190163d-8694-739b-aea5-966c26f8ad93"

static const wf_master_key_t first_key = {"2026-a", {1, 2, 3}};
static const wf_master_key_t second_key = {"2026-b", {4, 5, 6}};

static wf_keyring_t *ring_of(int count, wf_master_key_t primary, wf_master_key_t other)
{
    wf_master_key_t keys[2] = {primary, other};
    wf_keyring_t *ring;

    ck_assert_int_eq(wf_keyring_make(test_ctx, &ring, keys, count), WF_OK);
    return ring;
}

/* ---- master keys ---------------------------------------------------------------------------- */

START_TEST(a_master_key_is_32_bytes_in_base64_white_space_around_it_allowed)
{
    wf_master_key_t key;
    const char *text;

    ck_assert_int_eq(wf_master_key_parse(test_ctx, &key, "a",
                                         " \n/////////////////////////////////////////w==\n"),
                     WF_EINVALID);
    ck_assert_int_eq(wf_master_key_parse(test_ctx, &key, "a",
                                         "\t//////////////////////////////////////////8=\r\n"),
                     WF_OK);
    ck_assert_int_eq(key.key[0] & key.key[31], 0xff);
    ck_assert_int_eq(wf_master_key_parse(test_ctx, &key, "a", ""), WF_EINVALID);
    ck_assert_int_eq(wf_master_key_parse(test_ctx, &key, "a", "   "), WF_EINVALID);
    ck_assert_int_eq(wf_master_key_parse(test_ctx, &key, "a", "hello"), WF_EINVALID);
    ck_assert_int_eq(key.key[0], 0);
    text = apr_pstrcat(test_pool, "//////////////////////////////////////////8=",
                       "//////////////////////////////////////////8=", NULL);
    ck_assert_int_eq(wf_master_key_parse(test_ctx, &key, "a", text), WF_EINVALID);
    ck_assert_int_eq(wf_master_key_generate(test_ctx, &text), WF_OK);
    ck_assert_int_eq(wf_master_key_parse(test_ctx, &key, "a", text), WF_OK);
}
END_TEST

START_TEST(a_ring_needs_keys_with_different_good_ids)
{
    wf_master_key_t keys[2] = {first_key, second_key};
    wf_keyring_t *ring;

    ck_assert_int_eq(wf_keyring_make(test_ctx, &ring, keys, 0), WF_EINVALID);
    ck_assert_ptr_null(ring);
    ck_assert_int_eq(wf_keyring_make(test_ctx, &ring, keys, 2), WF_OK);
    ck_assert_str_eq(wf_keyring_primary_id(ring), "2026-a");
    keys[1].id = "2026-a";
    ck_assert_int_eq(wf_keyring_make(test_ctx, &ring, keys, 2), WF_EINVALID);
    keys[1].id = "a:b";
    ck_assert_int_eq(wf_keyring_make(test_ctx, &ring, keys, 2), WF_EINVALID);
    keys[1].id = "";
    ck_assert_int_eq(wf_keyring_make(test_ctx, &ring, keys, 2), WF_EINVALID);
    keys[1].id = NULL;
    ck_assert_int_eq(wf_keyring_make(test_ctx, &ring, keys, 2), WF_EINVALID);
    keys[1].id = "a2345678901234567890123456789012";
    ck_assert_int_eq(wf_keyring_make(test_ctx, &ring, keys, 2), WF_OK);
    keys[1].id = "a23456789012345678901234567890123";
    ck_assert_int_eq(wf_keyring_make(test_ctx, &ring, keys, 2), WF_EINVALID);
    ck_assert_ptr_null(ring);
}
END_TEST

/* ---- data keys ------------------------------------------------------------------------------ */

START_TEST(a_data_key_unwraps_for_its_company_and_id_only)
{
    wf_keyring_t *ring = ring_of(2, first_key, second_key);
    wf_data_key_t key, again;
    const char *wrapped;

    ck_assert_int_eq(wf_data_key_generate(test_ctx, &key, &wrapped, ring, COMPANY), WF_OK);
    ck_assert_int_eq(strncmp(wrapped, "wk1:2026-a:", 11), 0);
    ck_assert_uint_eq(strlen(wrapped), 11 + WF_BASE64_LEN(12 + 32 + 16));
    ck_assert_str_eq(wf_data_key_master_id(test_pool, wrapped), "2026-a");
    ck_assert_int_eq(wf_data_key_unwrap(test_ctx, &again, ring, COMPANY, key.id, wrapped), WF_OK);
    ck_assert_mem_eq(&again, &key, sizeof(key));
    ck_assert_int_eq(wf_data_key_unwrap(test_ctx, &again, ring, OTHER_COMPANY, key.id, wrapped),
                     WF_EDENIED);
    ck_assert_int_eq(again.id[0] | again.key[0] | again.key[31], 0);
    ck_assert_int_eq(wf_data_key_unwrap(test_ctx, &again, ring, COMPANY, ROW, wrapped), WF_EDENIED);
}
END_TEST

START_TEST(a_missing_master_key_is_a_miss_that_names_it)
{
    wf_keyring_t *old_ring = ring_of(1, first_key, first_key);
    wf_keyring_t *new_ring = ring_of(1, second_key, second_key);
    wf_data_key_t key;
    const char *wrapped;

    ck_assert_int_eq(wf_data_key_generate(test_ctx, &key, &wrapped, old_ring, COMPANY), WF_OK);
    ck_assert_int_eq(wf_data_key_unwrap(test_ctx, &key, new_ring, COMPANY, ROW, wrapped),
                     WF_ENOTFOUND);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "'2026-a'"));
}
END_TEST

START_TEST(rewrapping_moves_a_data_key_to_the_primary_and_keeps_it)
{
    wf_keyring_t *old_ring = ring_of(1, first_key, first_key);
    wf_keyring_t *both = ring_of(2, second_key, first_key);
    wf_keyring_t *new_ring = ring_of(1, second_key, second_key);
    const char *wrapped, *rewrapped;
    wf_data_key_t key, again;

    ck_assert_int_eq(wf_data_key_generate(test_ctx, &key, &wrapped, old_ring, COMPANY), WF_OK);
    ck_assert_int_eq(wf_data_key_rewrap(test_ctx, &rewrapped, both, COMPANY, key.id, wrapped),
                     WF_OK);
    ck_assert_str_eq(wf_data_key_master_id(test_pool, rewrapped), "2026-b");
    ck_assert_int_eq(wf_data_key_unwrap(test_ctx, &again, new_ring, COMPANY, key.id, rewrapped),
                     WF_OK);
    ck_assert_mem_eq(&again, &key, sizeof(key));
    ck_assert_int_eq(wf_data_key_rewrap(test_ctx, &rewrapped, both, OTHER_COMPANY, key.id, wrapped),
                     WF_EDENIED);
    ck_assert_ptr_null(rewrapped);
}
END_TEST

START_TEST(what_is_no_wrapped_key_is_invalid)
{
    static const char *const texts[] = {
        "",          "wk1",         "wk1:",        "wk1:2026-a",
        "wk1::AAAA", "wk2:a:AA",    "wk1:2026-a:", "wk1:2026-a:AAAA",
        "wf1:a:AA",  "wk1:a b:AAAA"};
    wf_keyring_t *ring = ring_of(2, first_key, second_key);
    wf_data_key_t key;
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ck_assert_msg(wf_data_key_unwrap(test_ctx, &key, ring, COMPANY, ROW, texts[i]) ==
                          WF_EINVALID,
                      "%s", texts[i]);
    }
    ck_assert_int_eq(wf_data_key_unwrap(test_ctx, &key, ring, COMPANY, ROW, NULL), WF_EINVALID);
    ck_assert_ptr_null(wf_data_key_master_id(test_pool, NULL));
    ck_assert_ptr_null(wf_data_key_master_id(test_pool, "wk1"));
}
END_TEST

/* ---- sealed columns ---------------------------------------------------------------------------
 */

static wf_data_key_t data_key(void)
{
    wf_data_key_t key = {.id = "0190163d-8694-739b-aea5-966c26f8ad99"};
    int i;

    for (i = 0; i < 32; i++) {
        key.key[i] = (unsigned char)i;
    }
    return key;
}

static const wf_seal_place_t place = {"whatsapp_accounts", "app_secret", COMPANY, ROW};

START_TEST(a_sealed_value_opens_at_its_own_place_only)
{
    const wf_seal_place_t elsewhere[] = {
        {"companies", "app_secret", COMPANY, ROW},
        {"whatsapp_accounts", "access_token", COMPANY, ROW},
        {"whatsapp_accounts", "app_secret", OTHER_COMPANY, ROW},
        {"whatsapp_accounts", "app_secret", COMPANY, OTHER_COMPANY},
    };
    wf_data_key_t key = data_key(), other = data_key();
    const char *sealed;
    wf_secret_t plain;
    size_t i;

    ck_assert_int_eq(wf_seal(test_ctx, &sealed, &key, &place, "s3cret", 6), WF_OK);
    ck_assert_int_eq(strncmp(sealed, "wf1:0190163d-8694-739b-aea5-966c26f8ad99:", 41), 0);
    ck_assert_ptr_null(strstr(sealed, "s3cret"));
    ck_assert_int_eq(wf_unseal(test_ctx, &plain, &key, &place, sealed), WF_OK);
    ck_assert_uint_eq(plain.len, 6);
    ck_assert_str_eq((char *)plain.data, "s3cret");
    for (i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
        ck_assert_int_eq(wf_unseal(test_ctx, &plain, &key, &elsewhere[i], sealed), WF_EDENIED);
        ck_assert_ptr_null(plain.data);
    }
    other.key[7] ^= 1;
    ck_assert_int_eq(wf_unseal(test_ctx, &plain, &other, &place, sealed), WF_EDENIED);
    other = key;
    other.id[35] = '8';
    ck_assert_int_eq(wf_unseal(test_ctx, &plain, &other, &place, sealed), WF_EDENIED);
}
END_TEST

/* Made with Python's cryptography: AESGCM(bytes(range(32))).encrypt(bytes(range(100, 112)), …). */
#define SEALED_ELSEWHERE \
    "wf1:0190163d-8694-739b-aea5-966c26f8ad99:ZGVmZ2hpamtsbW5vOyi9FBydv0gG+zaVH3bTFnShAGm4/Q=="

START_TEST(a_value_sealed_by_another_implementation_opens)
{
    wf_data_key_t key = data_key();
    wf_secret_t plain;

    ck_assert_int_eq(wf_unseal(test_ctx, &plain, &key, &place, SEALED_ELSEWHERE), WF_OK);
    ck_assert_str_eq((char *)plain.data, "s3cret");
}
END_TEST

START_TEST(no_position_of_a_sealed_value_can_be_changed)
{
    wf_data_key_t key = data_key();
    const char *sealed;
    wf_secret_t plain;
    char *copy;
    size_t i;

    /* 12 + 17 + 16 bytes: no unused bits in the base64 */
    ck_assert_int_eq(wf_seal(test_ctx, &sealed, &key, &place, "seventeen letters", 17), WF_OK);
    copy = apr_pstrdup(test_pool, sealed);
    for (i = 0; copy[i]; i++) {
        char kept = copy[i];
        copy[i] = kept == 'A' ? 'B' : 'A';
        ck_assert_msg(wf_unseal(test_ctx, &plain, &key, &place, copy) != WF_OK, "at %zu", i);
        ck_assert_ptr_null(plain.data);
        copy[i] = kept;
    }
    for (i = 0; i < strlen(sealed); i++) {
        copy = apr_pstrmemdup(test_pool, sealed, i);
        ck_assert_int_ne(wf_unseal(test_ctx, &plain, &key, &place, copy), WF_OK);
    }
    ck_assert_int_eq(wf_unseal(test_ctx, &plain, &key, &place, NULL), WF_EINVALID);
    ck_assert_int_eq(wf_unseal(test_ctx, &plain, &key, &place, "plain text"), WF_EINVALID);
}
END_TEST

START_TEST(sealing_twice_gives_two_texts_and_empty_values_are_values)
{
    wf_data_key_t key = data_key();
    const char *one, *two;
    wf_secret_t plain;

    ck_assert_int_eq(wf_seal(test_ctx, &one, &key, &place, "", 0), WF_OK);
    ck_assert_int_eq(wf_seal(test_ctx, &two, &key, &place, "", 0), WF_OK);
    ck_assert_str_ne(one, two);
    ck_assert_int_eq(wf_unseal(test_ctx, &plain, &key, &place, one), WF_OK);
    ck_assert_uint_eq(plain.len, 0);
    ck_assert_ptr_nonnull(plain.data);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("seal");
    TCase *tc = wf_test_case(s, "seal");

    tcase_add_test(tc, a_master_key_is_32_bytes_in_base64_white_space_around_it_allowed);
    tcase_add_test(tc, a_ring_needs_keys_with_different_good_ids);
    tcase_add_test(tc, a_data_key_unwraps_for_its_company_and_id_only);
    tcase_add_test(tc, a_missing_master_key_is_a_miss_that_names_it);
    tcase_add_test(tc, rewrapping_moves_a_data_key_to_the_primary_and_keeps_it);
    tcase_add_test(tc, what_is_no_wrapped_key_is_invalid);
    tcase_add_test(tc, a_sealed_value_opens_at_its_own_place_only);
    tcase_add_test(tc, a_value_sealed_by_another_implementation_opens);
    tcase_add_test(tc, no_position_of_a_sealed_value_can_be_changed);
    tcase_add_test(tc, sealing_twice_gives_two_texts_and_empty_values_are_values);
    return wf_test_run(s);
}
