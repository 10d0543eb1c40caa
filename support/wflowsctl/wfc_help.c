/* wflowsctl help and version: made of the tables that the command line is read with. */
#include "wfc.h"
#include "wf_config.h"

#include <stdio.h>
#include <string.h>

static const char exit_codes[] =
    "Exit codes: 0 done; 1 checked or sent, and not good; 2 usage; 3 configuration; 4 not found;\n"
    "5 refused value; 6 conflict; 7 denied; 8 limit; 9 a server does not answer; 10 internal.\n";

static const char source_help[] =
    "SOURCE is file:/path, env:NAME, exec:/path args or - (standard input; a terminal is asked).\n"
    "A secret is never taken from the command line itself, where every user could read it.\n";

/* ---- for people ------------------------------------------------------------------------------ */

static void print_options(const wfc_option_t *option)
{
    char left[64];

    for (; option && option->name; option++) {
        apr_snprintf(left, sizeof(left), "%s%c%s--%s %s", option->letter ? "-" : " ",
                     option->letter ? option->letter : ' ', option->letter ? ", " : "  ",
                     option->name, option->value ? option->value : "");
        printf("  %-32s %s%s\n", left, option->help, option->required ? " (needed)" : "");
    }
}

static int has_secret(const wfc_option_t *option)
{
    for (; option && option->name; option++) {
        if (option->kind == WFC_SECRET) {
            return 1;
        }
    }
    return 0;
}

static void help_command(const wfc_command_t *command)
{
    printf("wflowsctl %s%s%s%s\n\n%s.\n", command->name, *command->args ? " " : "", command->args,
           command->options ? " [options]" : "", command->summary);
    if (command->more) {
        printf("\n%s\n", command->more);
    }
    if (command->options) {
        puts("\nOptions:");
        print_options(command->options);
    }
    if (has_secret(command->options)) {
        printf("\n%s", source_help);
    }
    puts("\n'wflowsctl help' shows the options that every command takes.");
}

/* ---- for programs ---------------------------------------------------------------------------- */

static wf_json_t *options_json(apr_pool_t *pool, const wfc_option_t *option)
{
    static const char *const kinds[] = {"text", "flag", "secret source", "text, repeatable"};
    wf_json_t *list = wf_json_array_make(pool);

    for (; option && option->name; option++) {
        wf_json_t *row = wf_json_object_make(pool);

        wf_json_set_str(row, "name", option->name);
        wf_json_set_str(row, "kind", kinds[option->kind]);
        wf_json_set_str(row, "value", option->value);
        wf_json_set_bool(row, "required", option->required);
        wf_json_set_str(row, "help", option->help);
        wf_json_push(list, row);
    }
    return list;
}

static wf_json_t *command_json(apr_pool_t *pool, const wfc_command_t *command)
{
    wf_json_t *row = wf_json_object_make(pool);

    wf_json_set_str(row, "name", command->name);
    wf_json_set_str(row, "arguments", command->args);
    wf_json_set_str(row, "summary", command->summary);
    wf_json_set_str(row, "more", command->more);
    wf_json_set(row, "options", options_json(pool, command->options));
    return row;
}

/* ---- the commands ---------------------------------------------------------------------------- */

/* Those whose name begins with `noun` ("": all). */
static void help_list(wfc_t *c, const char *noun)
{
    wf_json_t *document = wf_json_object_make(c->pool), *list = wf_json_array_make(c->pool);
    const wfc_command_t *const *table;
    const wfc_command_t *row;

    for (table = c->tables; *table; table++) {
        for (row = *table; row->name; row++) {
            if (strncmp(row->name, noun, strlen(noun)) != 0) {
                continue;
            }
            if (c->json) {
                wf_json_push(list, command_json(c->pool, row));
            } else {
                printf("  %-20s %s\n", row->name, row->summary);
            }
        }
    }
    if (c->json) {
        wf_json_set(document, "commands", list);
        wf_json_set(document, "options", options_json(c->pool, wfc_global_options));
        wfc_print_json(c, document);
    }
}

static void help_all(wfc_t *c)
{
    if (c->json) {
        help_list(c, "");
        return;
    }
    puts("wflowsctl: looks after a wflows installation\n\n"
         "  wflowsctl [options] COMMAND [options] [arguments]\n\nCommands:");
    help_list(c, "");
    puts("\nOptions of every command:");
    print_options(wfc_global_options);
    printf("\n%s\n%s", source_help, exit_codes);
}

static void help_one(wfc_t *c, const wfc_command_t *command)
{
    if (c->json) {
        wfc_print_json(c, command_json(c->pool, command));
    } else {
        help_command(command);
    }
}

void wfc_help(wfc_t *c)
{
    if (c->command && c->command != wfc_help_commands) {
        help_one(c, c->command);
    } else {
        help_all(c);
    }
}

static wf_status_t run_help(wfc_t *c)
{
    const wfc_command_t *command;
    const char *name;

    if (c->arg_count == 0) {
        help_all(c);
        return WF_OK;
    }
    name = c->arg_count == 2 ? apr_pstrcat(c->pool, c->args[0], " ", c->args[1], NULL) : c->args[0];
    command = wfc_command_find(c, name);
    if (command) {
        help_one(c, command);
    } else if (c->arg_count == 1 && wfc_is_noun(c, name)) {
        help_list(c, apr_pstrcat(c->pool, name, " ", NULL));
    } else {
        return wfc_usage(c, "there is no command '%s'", name);
    }
    return WF_OK;
}

static wf_status_t run_version(wfc_t *c)
{
    wf_json_t *record = wf_json_object_make(c->pool);

    wf_json_set_str(record, "version", PACKAGE_VERSION);
    wf_json_set_int(record, "schema_version_needed", WF_SCHEMA_VERSION_NEEDED);
    wfc_print_done(c, record, "wflowsctl %s, schema version %d", PACKAGE_VERSION,
                   WF_SCHEMA_VERSION_NEEDED);
    return WF_OK;
}

const wfc_command_t wfc_help_commands[] = {
    {"help", "[COMMAND]", 0, 2, NULL, 0, run_help, "Explains a command, or lists them all", NULL},
    {"version", "", 0, 0, NULL, 0, run_version, "Says which version this is", NULL},
    WFC_COMMANDS_END};
