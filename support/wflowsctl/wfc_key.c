/* wflowsctl key: an account's RSA key pair. The private half never leaves the database. */
#include "wfc.h"

#include "service/wf_manage_account.h"

#include <string.h>

#define OVERLAP_DEFAULT apr_time_from_sec(24 * 3600)
#define KEY_FILE_MAX 65536

#define OPTION_OVERLAP                                                                     \
    {                                                                                      \
        "overlap", 0, WFC_TEXT, 0, "DURATION", "how long the old key still decrypts (24h)" \
    }

static const wfc_option_t new_options[] = {WFC_OPTION_COMPANY, WFC_OPTION_ACCOUNT, WFC_OPTION_OUT,
                                           OPTION_OVERLAP, WFC_OPTION_END};
static const wfc_option_t import_options[] = {
    WFC_OPTION_COMPANY,
    WFC_OPTION_ACCOUNT,
    WFC_OPTION_OUT,
    OPTION_OVERLAP,
    {"passphrase", 0, WFC_SECRET, 0, "SOURCE", "of an encrypted PEM"},
    WFC_OPTION_END};
static const wfc_option_t rotate_options[] = {WFC_OPTION_COMPANY, WFC_OPTION_ACCOUNT,
                                              OPTION_OVERLAP, WFC_OPTION_END};
static const wfc_option_t meta_options[] = {WFC_OPTION_COMPANY, WFC_OPTION_ACCOUNT, WFC_OPTION_END};
static const wfc_option_t show_options[] = {WFC_OPTION_COMPANY, WFC_OPTION_ACCOUNT, WFC_OPTION_OUT,
                                            WFC_OPTION_END};

static wf_status_t find(wfc_t *c, wf_json_t **company, wf_json_t **account)
{
    wf_status_t st = wfc_company(c, company, wfc_opt(c, "company"));

    return st == WF_OK ? wfc_account(c, account, *company, wfc_opt(c, "account")) : st;
}

/* Prints the public PEM, or writes it to --out. */
static wf_status_t print_public(wfc_t *c, const wf_json_t *company, const wf_json_t *account,
                                const char *pem)
{
    const char *file = wfc_opt(c, "out");
    wf_json_t *record = wf_json_object_make(c->pool);
    wf_status_t st = WF_OK;

    wf_json_set_str(record, "company_id", wfc_id(company));
    wf_json_set_str(record, "account_id", wfc_id(account));
    wf_json_set_str(record, "account", wf_json_get_str(account, "name", NULL));
    wf_json_set_str(record, "phone_number_id", wf_json_get_str(account, "phone_number_id", NULL));
    wf_json_set_str(record, "public_key", pem);
    if (file) {
        wf_json_set_str(record, "file", file);
        st = wfc_write_file(c, file, pem, 0);
    }
    if (st == WF_OK && file) {
        wfc_print_done(c, record, "the public key of account %s is in %s",
                       wf_json_get_str(account, "name", "-"), file);
    } else if (st == WF_OK) {
        wfc_print_text(c, record, pem);
    }
    return st;
}

static wf_status_t store_key(wfc_t *c, const wf_rsa_key_t *key)
{
    wf_json_t *company = NULL, *account = NULL;
    apr_interval_time_t overlap;
    const char *pem = NULL;
    wf_status_t st;

    if ((st = wfc_duration_opt(c, &overlap, "overlap", OVERLAP_DEFAULT)) != WF_OK ||
        (st = find(c, &company, &account)) != WF_OK ||
        (st = wf_rsa_public_pem(c->ctx, &pem, key)) != WF_OK ||
        (st = wf_account_set_key(c->ctx, c->store, c->ring, wfc_id(company), wfc_id(account), key,
                                 overlap, &c->actor)) != WF_OK) {
        return st;
    }
    if (!c->json) {
        wfc_say(c, "Now give this public key to Meta for number %s (whatsapp_business_encryption).",
                wf_json_get_str(account, "phone_number_id", "-"));
    }
    st = print_public(c, company, account, pem);
    if (st != WF_OK) {
        c->hint = "The key is stored all the same: 'wflowsctl key show' prints its public half.";
    }
    return st;
}

static wf_status_t run_new(wfc_t *c)
{
    wf_rsa_key_t *key = NULL;
    wf_status_t st = wf_rsa_generate(c->ctx, &key);

    return st == WF_OK ? store_key(c, key) : st;
}

static wf_status_t run_import(wfc_t *c)
{
    const char *pem = NULL, *passphrase = NULL;
    wf_rsa_key_t *key = NULL;
    size_t len = 0;
    wf_status_t st;

    if ((st = wfc_secret_opt(c, &passphrase, "passphrase")) != WF_OK ||
        (st = wfc_read_file(c, &pem, &len, c->args[0], KEY_FILE_MAX)) != WF_OK) {
        return st;
    }
    st = wf_rsa_parse(c->ctx, &key, pem, len, passphrase);
    if (st == WF_EDENIED && !passphrase) {
        c->hint = "Give it with --passphrase file:/path, env:NAME or - (standard input).";
    }
    return st == WF_OK ? store_key(c, key) : st;
}

static wf_status_t run_show(wfc_t *c)
{
    wf_json_t *company = NULL, *account = NULL;
    const char *pem;
    wf_status_t st = find(c, &company, &account);

    if (st != WF_OK) {
        return st;
    }
    pem = wf_json_get_str(account, "public_key", NULL);
    if (!pem) {
        c->hint = "'wflowsctl key new' makes one, 'wflowsctl key import' takes one that is there.";
        return wf_fail_public(c->ctx, WF_ENOTFOUND, WFLOGNO(4050) "account '%s' has no key yet",
                              wf_json_get_str(account, "name", "-"));
    }
    return print_public(c, company, account, pem);
}

/* ---- with Meta ------------------------------------------------------------------------------- */

static wf_status_t run_register(wfc_t *c)
{
    wf_json_t *company = NULL, *account = NULL, *doc = NULL;
    wf_status_t st = find(c, &company, &account);

    if (st == WF_OK) {
        st = wf_manage_key_register(c->ctx, &doc, &c->runtime->service, wfc_id(company),
                                    wfc_id(account));
    }
    if (st == WF_OK) {
        wfc_print_done(c, doc, "Meta has the public key of account %s",
                       wf_json_get_str(account, "name", "-"));
    }
    return st;
}

static wf_status_t run_validate(wfc_t *c)
{
    wf_json_t *company = NULL, *account = NULL, *doc = NULL;
    const char *status;
    wf_status_t st = find(c, &company, &account);

    if (st == WF_OK) {
        st = wf_manage_key_validate(c->ctx, &doc, &c->runtime->service, wfc_id(company),
                                    wfc_id(account));
    }
    if (st != WF_OK) {
        return st;
    }
    status = wf_json_get_str(doc, "signature_status", "");
    if (!wf_json_get_bool(doc, "matches", 0) || strcmp(status, "MISMATCH") == 0) {
        c->exit_code = WFC_EXIT_FAILED;
        c->hint = "'wflowsctl key register' uploads the account's public key.";
        return wf_fail_public(c->ctx, WF_ECONFLICT, WFLOGNO(4115) "Meta %s account '%s'",
                              wf_json_get_bool(doc, "matches", 0)
                                  ? "says that its signature does not fit the key of"
                                  : "does not have the public key of",
                              wf_json_get_str(account, "name", "-"));
    }
    wfc_print_done(c, doc, "Meta has the public key of account %s (%s)",
                   wf_json_get_str(account, "name", "-"), *status ? status : "no status");
    return WF_OK;
}

static wf_status_t run_rotate(wfc_t *c)
{
    wf_json_t *company = NULL, *account = NULL, *doc = NULL;
    apr_interval_time_t overlap;
    wf_status_t st;

    if ((st = wfc_duration_opt(c, &overlap, "overlap", OVERLAP_DEFAULT)) != WF_OK ||
        (st = find(c, &company, &account)) != WF_OK) {
        return st;
    }
    st = wf_manage_rotate_keys(c->ctx, &doc, &c->runtime->service, wfc_id(company), wfc_id(account),
                               overlap, &c->actor);
    if (st == WF_OK) {
        wfc_print_done(c, doc,
                       "account %s has a new key, and Meta has its public half; the one "
                       "before decrypts until %s",
                       wf_json_get_str(doc, "name", "-"),
                       wf_json_get_str(doc, "previous_key_until", "now"));
    } else if (st == WF_ECONFLICT || st == WF_EUNAVAIL || st == WF_EINVALID) {
        c->hint = "The key that was there still works; run it again when the cause is mended.";
    }
    return st;
}

const wfc_command_t wfc_key_commands[] = {
    {"key new", "", 0, 0, new_options, WFC_STORE_AND_RING, run_new,
     "Makes an RSA key pair for an account and prints its public half",
     "The pair is made here, on the server; the private half is stored encrypted and never shown. "
     "The key\n"
     "before it still decrypts for --overlap: time to give the new public key to Meta."},
    {"key import", "FILE", 1, 1, import_options, WFC_STORE_AND_RING, run_import,
     "Takes an RSA private key that is there already",
     "FILE (- for standard input) is PEM: PKCS#8 or PKCS#1, either of them encrypted or not."},
    {"key show", "", 0, 0, show_options, WFC_STORE, run_show,
     "Prints an account's public key as PEM", NULL},
    {"key register", "", 0, 0, meta_options, WFC_STORE_AND_RING, run_register,
     "Uploads an account's public key to Meta and reads it back",
     "With the account's access token, to WflowsFlowGraphURL. Needed after 'key new' and 'key "
     "import', "
     "and when a\nnumber was registered again."},
    {"key validate", "", 0, 0, meta_options, WFC_STORE_AND_RING, run_validate,
     "Reads the public key that Meta has and compares it",
     "Exit code 1 where it is another one, or where Meta's signature of it does not fit."},
    {"key rotate", "", 0, 0, rotate_options, WFC_STORE_AND_RING, run_rotate,
     "Makes a new key pair, gives its public half to Meta, then switches to it",
     "The new key decrypts from the first moment, the old one for --overlap more: no user notices. "
     "Where "
     "a step fails\nthe old key goes on; run again, it goes on where it stopped."},
    WFC_COMMANDS_END};
