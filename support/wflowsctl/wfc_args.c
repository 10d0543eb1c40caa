/* The command line: which command, which options; wfc_help.c explains the same tables. */
#include "wfc.h"

#include <string.h>

const wfc_option_t wfc_global_options[] = {
    {"config", 'c', WFC_TEXT, 0, "FILE",
     "configuration (else $WFLOWSCTL_CONFIG, else " WFC_CONF ")"},
    {"db", 0, WFC_SECRET, 0, "SOURCE", "runtime connection, instead of WflowsDB"},
    {"db-owner", 0, WFC_SECRET, 0, "SOURCE", "owner's connection, instead of WflowsDBOwner"},
    {"redis", 0, WFC_SECRET, 0, "SOURCE", "Redis, instead of WflowsRedis"},
    {"master-key", 0, WFC_MANY, 0, "ID=SOURCE", "instead of WflowsKey; the first is the primary"},
    {"json", 'j', WFC_FLAG, 0, NULL, "one JSON document on standard output"},
    {"verbose", 'v', WFC_FLAG, 0, NULL, "what the library logs, on standard error"},
    {"help", 'h', WFC_FLAG, 0, NULL, "help on the command"},
    WFC_OPTION_END};

/* ---- finding --------------------------------------------------------------------------------- */

static const wfc_option_t *option_in(const wfc_option_t *table, const char *name, size_t len)
{
    for (; table && table->name; table++) {
        if (strlen(table->name) == len && memcmp(table->name, name, len) == 0) {
            return table;
        }
        if (len == 1 && table->letter == name[0]) {
            return table;
        }
    }
    return NULL;
}

static const wfc_option_t *option_find(const wfc_t *c, const char *name, size_t len)
{
    const wfc_option_t *found = option_in(wfc_global_options, name, len);

    if (!found && c->command) {
        found = option_in(c->command->options, name, len);
    }
    return found;
}

const wfc_command_t *wfc_command_find(const wfc_t *c, const char *name)
{
    const wfc_command_t *const *table;
    const wfc_command_t *row;

    for (table = c->tables; *table; table++) {
        for (row = *table; row->name; row++) {
            if (strcmp(row->name, name) == 0) {
                return row;
            }
        }
    }
    return NULL;
}

int wfc_is_noun(const wfc_t *c, const char *noun)
{
    const wfc_command_t *const *table;
    const wfc_command_t *row;
    size_t len = strlen(noun);

    for (table = c->tables; *table; table++) {
        for (row = *table; row->name; row++) {
            if (strncmp(row->name, noun, len) == 0 && row->name[len] == ' ') {
                return 1;
            }
        }
    }
    return 0;
}

/* "flow check, flow add, …": the commands of a noun. */
static const char *verbs_of(const wfc_t *c, const char *noun)
{
    const wfc_command_t *const *table;
    const wfc_command_t *row;
    size_t len = strlen(noun);
    const char *list = "";

    for (table = c->tables; *table; table++) {
        for (row = *table; row->name; row++) {
            if (strncmp(row->name, noun, len) == 0 && row->name[len] == ' ') {
                list = apr_pstrcat(c->pool, list, *list ? ", " : "", row->name + len + 1, NULL);
            }
        }
    }
    return list;
}

/* ---- parsing --------------------------------------------------------------------------------- */

wf_status_t wfc_usage(wfc_t *c, const char *fmt, ...)
{
    va_list ap;
    char *text;

    va_start(ap, fmt);
    text = apr_pvsprintf(c->pool, fmt, ap);
    va_end(ap);
    c->exit_code = WFC_EXIT_USAGE;
    if (!c->hint) {
        c->hint = c->command
                      ? apr_psprintf(c->pool, "'wflowsctl help %s' explains it.", c->command->name)
                      : "'wflowsctl help' lists the commands.";
    }
    return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4000) "%s", text);
}

/* The text itself may stand where a connection string is asked for, if no password is in it. */
static int may_be_inline(const wfc_option_t *option, const char *value)
{
    static const char *const connections[] = {"db", "db-owner", "redis"};
    size_t i;

    for (i = 0; i < sizeof(connections) / sizeof(connections[0]); i++) {
        if (strcmp(option->name, connections[i]) == 0) {
            return !wfc_has_password(value);
        }
    }
    return 0;
}

/* A value that names no source is probably the secret itself: it is not repeated, and whoever typed
 * it is told that it has been seen. */
static wf_status_t check_source(wfc_t *c, const wfc_option_t *option, const char *value)
{
    if (strcmp(value, "-") == 0 || !wf_source_check(c->pool, value, may_be_inline(option, value))) {
        return WF_OK;
    }
    c->hint =
        apr_psprintf(c->pool,
                     "Write --%s file:/path, env:NAME, 'exec:/path args' or - (standard input). If "
                     "that was the\n"
                     "secret itself, it is in your shell's history and was in 'ps': change it.",
                     option->name);
    return wfc_usage(c, "--%s takes a SOURCE, never the secret itself", option->name);
}

static wf_status_t set_option(wfc_t *c, const wfc_option_t *option, const char *value)
{
    wf_status_t st;

    if (option->kind == WFC_SECRET && (st = check_source(c, option, value)) != WF_OK) {
        return st;
    }
    if (option->kind == WFC_MANY) {
        apr_table_addn(c->options, option->name, value);
    } else if (apr_table_get(c->options, option->name)) {
        return wfc_usage(c, "--%s is given twice", option->name);
    } else {
        apr_table_setn(c->options, option->name, value);
    }
    return WF_OK;
}

/* One word that begins with a dash; *used is how many words of argv it took. */
static wf_status_t parse_option(wfc_t *c, int *used, int left, const char *const *argv)
{
    const char *word = argv[0], *name = word + 1, *equals = NULL, *value = "";
    const wfc_option_t *option;
    size_t len;

    *used = 1;
    if (*name == '-') {
        name++;
        equals = strchr(name, '=');
    }
    len = equals ? (size_t)(equals - name) : strlen(name);
    option = (word[1] == '-') == (len > 1) ? option_find(c, name, len) : NULL;
    if (!option && !c->command) {
        c->hint = "Options of a command come after the command.";
    }
    if (!option) {
        return wfc_usage(c, "unknown option %.*s", (int)(name - word + len), word);
    }
    if (option->kind == WFC_FLAG) {
        if (equals) {
            return wfc_usage(c, "--%s takes no value", option->name);
        }
    } else if (equals) {
        value = equals + 1;
    } else if (left < 2) {
        return wfc_usage(c, "--%s needs a value: --%s %s", option->name, option->name,
                         option->value);
    } else {
        value = argv[1];
        *used = 2;
    }
    return set_option(c, option, value);
}

/* Takes a word as (part of) the command's name or as an argument. */
static wf_status_t parse_word(wfc_t *c, const char **noun, const char *word)
{
    const char *name = *noun ? apr_pstrcat(c->pool, *noun, " ", word, NULL) : word;

    if (c->command && c->arg_count == 0) {
        /* "erase acme" and "erase show acme": a command that is also a noun. */
        const char *longer = apr_pstrcat(c->pool, c->command->name, " ", word, NULL);

        if (wfc_command_find(c, longer)) {
            c->command = wfc_command_find(c, longer);
            return WF_OK;
        }
    }
    if (c->command) {
        c->args[c->arg_count++] = word;
        return WF_OK;
    }
    c->command = wfc_command_find(c, name);
    if (c->command) {
        return WF_OK;
    }
    if (!*noun && wfc_is_noun(c, word)) {
        *noun = word;
        return WF_OK;
    }
    if (*noun) {
        return wfc_usage(c, "there is no 'wflowsctl %s'; after %s comes one of: %s", name, *noun,
                         verbs_of(c, *noun));
    }
    return wfc_usage(c, "there is no command '%s'", word);
}

static wf_status_t check_complete(wfc_t *c)
{
    const wfc_command_t *command = c->command;
    const wfc_option_t *option;

    for (option = command->options; option && option->name; option++) {
        if (option->required && !apr_table_get(c->options, option->name)) {
            return option->kind == WFC_FLAG
                       ? wfc_usage(c, "--%s is missing: %s", option->name, option->help)
                       : wfc_usage(c, "--%s %s is missing", option->name, option->value);
        }
    }
    if (c->arg_count < command->args_min) {
        return wfc_usage(c, "an argument is missing: wflowsctl %s %s", command->name,
                         command->args);
    }
    if (c->arg_count > command->args_max) {
        return wfc_usage(c, "one argument too many: '%s'", c->args[command->args_max]);
    }
    return WF_OK;
}

wf_status_t wfc_args_parse(wfc_t *c, int argc, const char *const *argv)
{
    const char *noun = NULL;
    int i, used, options_end = 0;
    wf_status_t st;

    c->args = apr_pcalloc(c->pool, sizeof(*c->args) * (size_t)(argc + 1));
    for (i = 1; i < argc; i += used) {
        used = 1;
        if (options_end || argv[i][0] != '-' || argv[i][1] == '\0') {
            st = parse_word(c, &noun, argv[i]);
        } else if (strcmp(argv[i], "--") == 0) {
            options_end = 1;
            st = WF_OK;
        } else {
            st = parse_option(c, &used, argc - i, argv + i);
        }
        /* Known before a failure is reported. */
        c->json = wfc_flag(c, "json");
        if (st != WF_OK) {
            return st;
        }
    }
    c->verbose = wfc_flag(c, "verbose");
    c->help = wfc_flag(c, "help");
    if (c->help) {
        return WF_OK;
    }
    if (!c->command) {
        return noun ? wfc_usage(c, "after %s comes one of: %s", noun, verbs_of(c, noun))
                    : wfc_usage(c, "a command is missing");
    }
    return check_complete(c);
}

const char *wfc_opt(const wfc_t *c, const char *name)
{
    return apr_table_get(c->options, name);
}

int wfc_flag(const wfc_t *c, const char *name)
{
    return apr_table_get(c->options, name) != NULL;
}
