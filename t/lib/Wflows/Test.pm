package Wflows::Test;

# What every end-to-end test begins and ends with: `need` says what must be there, `start_stack` gives it
# servers of its own, `errlog_ok` reads what they logged.

use strict;
use warnings;

use Carp qw(croak);
use Cpanel::JSON::XS ();
use Exporter qw(import);
use File::Path qw(remove_tree);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use Test::More;
use Wflows::Process qw(find_tool read_file);
use Wflows::Stack;

our @EXPORT_OK = qw(answers corpus_dir corpus_docs errlog_ok metric need refused start_stack);

# Test::PostgreSQL's lesson: what is not ended in END stays for ever.
my @stacks;
binmode($_, ':encoding(UTF-8)') for map { Test::More->builder->$_ } qw(output failure_output todo_output);
my $main = $$;

END {
    if ($$ == $main) {
        my $status = $?;
        for my $stack (@stacks) {
            $stack->stop;
            $status ||= 1 if told_by_sanitizers($stack);
            my $keep = $ENV{WF_TEST_KEEP} || ($status != 0 && $ENV{WF_TEST_KEEP_FAILED});
            if ($keep) { diag("kept: $stack->{dir}") } else { remove_tree($stack->{dir}) }
        }
        $? = $status;
    }
}

# A process is looked over for leaks when it ends, which is after the last test.
sub told_by_sanitizers {
    my ($stack) = @_;
    my @told = map { -e $_ ? grep { /Sanitizer|runtime error|^\s+#\d|leak of/ } split(/\n/, read_file($_)) : () }
        $stack->httpd->{error_log}, "$stack->{dir}/httpd/startup.log";
    diag(map { "$_\n" } @told > 60 ? @told[0 .. 59] : @told) if @told;
    return scalar @told;
}

# ---- what must be there -----------------------------------------------------------------------------------

my %there = (
    pg => sub { find_tool('postgres') && find_tool('initdb') ? undef : 'PostgreSQL is not installed' },
    redis => sub { find_tool('redis-server') ? undef : 'Redis is not installed' },
    httpd => sub {
        return 'httpd is not installed' unless find_tool('apache2') // find_tool('httpd');
        return 'WF_BUILDDIR does not name a built tree' unless -d ($ENV{WF_BUILDDIR} // '') . '/.libs';
        return undef;
    },
    browser => sub { find_tool('chromium') ? undef : 'chromium is not installed' },
    jq => sub { find_tool('jq') ? undef : 'jq is not installed' },
    npm => sub {
        return 'Node.js is not installed' unless find_tool('node');
        return -d ($ENV{WF_SRCDIR} // '.') . '/t/npm/node_modules/.bin' ? undef : 'the tools are not fetched (support/setup-npm tools)';
    },
    contract => sub { require Wflows::Contract; Wflows::Contract->of_build ? undef : Wflows::Contract->why },
    corpus => sub { defined corpus_dir() ? undef : 'the corpus is not at hand (WFLOWS_CORPUS)' },
);

# Skips the whole file where something is absent; a failure instead where WF_TEST_REQUIRE names it.
sub need {
    my %required = map { $_ => 1 } split(/,/, $ENV{WF_TEST_REQUIRE} // '');
    for my $what (@_) {
        my $why = ($there{$what} // croak "need: '$what' is not known")->() // next;
        BAIL_OUT("$0: $why, and WF_TEST_REQUIRE names $what") if $required{$what};
        plan skip_all => $why;
    }
}

# $WFLOWS_CORPUS, else ../shared/corpus; undef where there is none.
sub corpus_dir {
    my ($dir) = grep { defined && -d "$_/flows" } $ENV{WFLOWS_CORPUS}, ($ENV{WF_SRCDIR} // '.') . '/../shared/corpus';
    return $dir;
}

# [file name, decoded document, text] of every JSON file of a folder of the corpus.
sub corpus_docs {
    my ($folder) = @_;
    my $json = Cpanel::JSON::XS->new->utf8->allow_nonref;
    return map { [m{([^/]+)$}, $json->decode(read_file($_)), read_file($_)] }
        sort glob(corpus_dir() . "/$folder/*.json");
}

# ---- servers ----------------------------------------------------------------------------------------------

# Started, migrated, on free ports, in a folder of its own that goes when the test ends. Options as
# Wflows::Stack->new, and bare (the configuration does not turn tenants on). fsync is off: a test kills
# processes, not the machine.
sub start_stack {
    my (%o) = @_;
    my $dir = tempdir('wflows-test-XXXXXX', TMPDIR => 1);
    $o{pg}{settings} = { fsync => 'off', full_page_writes => 'off', %{ $o{pg}{settings} // {} } };
    $o{httpd} = { log_level => 'info wflows_tenant:debug wflows_flows:debug', %{ $o{httpd} // {} } };
    $o{httpd}{main} = "WflowsTenant On\n" . ($o{httpd}{main} // '') unless delete $o{bare};
    my $only_stores = delete $o{only_stores};
    my $stack = Wflows::Stack->new(%o, dir => $dir);
    push @stacks, $stack;
    if (!eval { $only_stores ? $stack->start_stores : $stack->start; 1 }) {
        diag($@);
        BAIL_OUT("$0: the servers do not start");
    }
    return $stack;
}

# ---- saying what an answer must be -------------------------------------------------------------------------

# 200, decrypted, with this screen; returns the answer's data.
sub answers {
    my ($r, $screen, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $got = $r->{status} == 200 && $r->{answer} ? $r->{answer}{screen} // 'no screen' : "status $r->{status}";
    is($got, $screen, $name) or diag($r->{plain} // $r->{error} // $r->{body});
    return $r->{answer}{data} // {};
}

# This status and nothing else: what fails must not tell why (WHATSAPP.md 1.14).
sub refused {
    my ($r, $status, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $body = $r->{body} // $r->{content} // '';
    my $empty = $status == 421 || $status == 432 ? ', empty' : '';
    is($r->{status} . ($empty && length($body) ? ", body: $body" : $empty), $status . $empty, $name);
    return $r;
}

# A figure of /metrics, summed over its labels, or of one label text.
sub metric {
    my ($stack, $name, $labels) = @_;
    my $text = HTTP::Tiny->new(timeout => 10)->get($stack->httpd->url('/metrics'))->{content};
    my $sum = 0;
    while ($text =~ /^\Q$name\E(\{[^}]*\})? (\d+)/mg) {
        my ($got, $n) = ($1 // '', $2);
        $sum += $n if !defined $labels || index($got, $labels) >= 0;
    }
    return $sum;
}

# ---- the error log ------------------------------------------------------------------------------------------

# Nothing of level warn or worse that the test does not expect, no child that died, and no secret.
# `ignore`: log ids ("WF2013", "AH01114") or patterns; each must be there if it is in `expect`.
sub errlog_ok {
    my ($stack, %o) = @_;
    my $log = $stack->httpd->{error_log};
    my @lines = -e $log ? split(/\n/, read_file($log)) : ();
    my @ignore = map { ref $_ ? $_ : qr/\b\Q$_\E\b/ } @{ $o{ignore} // [] }, @{ $o{expect} // [] };

    my @unexplained = grep {
        my $line = $_;
        ($line =~ /\[\w*:(?:warn|error|crit|alert|emerg)\]/ || $line =~ /exit signal|Segmentation|assertion|AddressSanitizer|runtime error/i)
            && !grep { $line =~ $_ } @ignore;
    } @lines;
    ok(!@unexplained, 'the error log has nothing that the test does not expect')
        or diag(map { "  $_\n" } @unexplained > 20 ? (@unexplained[0 .. 19], '…') : @unexplained);

    for my $expected (@{ $o{expect} // [] }) {
        my $pattern = ref $expected ? $expected : qr/\b\Q$expected\E\b/;
        ok(scalar(grep { $_ =~ $pattern } @lines), "the error log tells of $expected");
    }

    my %secrets = %{ $stack->{known_secrets} // {} };
    for my $file (glob("$stack->{dir}/secrets/*")) {
        my $value = read_file($file);
        $value =~ s/\s+\z//;
        $secrets{"secrets/" . ($file =~ m{([^/]+)$})[0]} = $value;
    }
    my @told = grep { my $value = $secrets{$_}; length($value) >= 6 && grep { index($_, $value) >= 0 } @lines } sort keys %secrets;
    ok(!@told, 'the error log has no secret') or diag("  found: @told");
    contract_ok();
}

# Where the test has called the management API by Wflows::Api: each reply was as openapi.json says.
sub contract_ok {
    my ($n, @problems) = $INC{'Wflows/Contract.pm'} ? Wflows::Contract->verdict : (0);
    return unless $n;
    ok(!@problems, "$n replies of the management API were as openapi.json says")
        or diag(map { "  $_\n" } @problems > 40 ? (@problems[0 .. 39], '…') : @problems);
}

1;
