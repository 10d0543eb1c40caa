#!/usr/bin/perl
# wflowsctl flow check: exit code and form of what it says, over files of our own and over the corpus. It
# needs no server and no configuration.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use File::Temp qw(tempdir);
use Test::More;
use Wflows::Process qw(read_file run write_file);
use Wflows::Test qw(corpus_dir corpus_docs);

my $ctl = ($ENV{WF_BUILDDIR} // '') . '/wflowsctl';
plan skip_all => 'WF_BUILDDIR has no wflowsctl' unless -x $ctl;
my $src = $ENV{WF_SRCDIR} // '.';
my $json = Cpanel::JSON::XS->new->utf8->canonical;
my $dir = tempdir(CLEANUP => 1);

sub check { my ($args, %o) = @_; return run(command => [$ctl, 'flow', 'check', @$args], env => { WFLOWSCTL_CONFIG => '/nonexistent' }, %o) }

# ---- form -----------------------------------------------------------------------------------------------------

my $good = <<'JSON';
{
  "version": "7.2",
  "screens": [
    {
      "id": "FORM", "title": "A form", "terminal": true, "success": true,
      "layout": {
        "type": "SingleColumnLayout",
        "children": [
          {"type": "TextBody", "text": "Hello"},
          {"type": "Footer", "label": "Send", "on-click-action": {"name": "complete", "payload": {}}}
        ]
      }
    }
  ]
}
JSON
my $file = write_file("$dir/flow.json", $good);
my $r = check([$file]);
is($r->{rc}, 0, 'a valid flow is 0') or diag($r->{out}, $r->{err});
is($r->{out}, "$file: valid (0 errors, 0 warnings)\n", 'and said to be so');
$r = check([$file, '--json']);
is_deeply($json->decode($r->{out}), { success => Cpanel::JSON::XS::true, validation_errors => [] }, "Meta's shape of it");
$r = check(['-'], stdin => $good);
is($r->{rc}, 0, 'a flow from standard input');
is($r->{out}, "(standard input): valid (0 errors, 0 warnings)\n", 'is named so');

(my $bad = $good) =~ s/"text": "Hello"/"text": "Hello", "colour": "red"/;
$bad =~ s/"type": "Footer", "label": "Send"/"type": "Footer"/;
write_file($file, $bad);
$r = check([$file]);
is($r->{rc}, 1, 'a flow with errors is 1');
like($r->{out}, qr{^\Q$file\E:9:\d+: error INVALID_PROPERTY_KEY at /screens/0/layout/children/0(?:/colour)?: .*colour}m, 'the first error has line, column, name, pointer and text');
like($r->{out}, qr{^\Q$file\E:10:\d+: error MISSING_REQUIRED\w+ at /screens/0/layout/children/1\S*: .*label}m, 'and the second one too');
like($r->{out}, qr/^\Q$file\E: not valid \(2 errors, 0 warnings\)$/m, 'both are counted');
$r = check([$file, '--json']);
is($r->{rc}, 1, 'the same with --json');
my $document = $json->decode($r->{out});
is($document->{success}, Cpanel::JSON::XS::false, 'no success');
is(scalar @{ $document->{validation_errors} }, 2, 'two errors');
my ($key_error) = grep { $_->{error} eq 'INVALID_PROPERTY_KEY' } @{ $document->{validation_errors} };
is($key_error->{line_start}, 9, 'with its line');
like($key_error->{pointers}[0]{path}, qr/^screens\[0\]\.layout\.children\[0\]/, "and Meta's path");
ok(length $key_error->{message}, 'and a message');

$r = check(['-'], stdin => "{\n  \"version\": \"7.2\",\n  oops\n}\n");
is($r->{rc}, 1, 'what is not JSON is 1');
like($r->{out}, qr/^\(standard input\):3:\d+: error INVALID_FLOW_JSON: not JSON/m, 'with its line');
is(check(['-'], stdin => '')->{rc}, 1, 'nothing at all is 1');
is(check(["$dir/none.json"])->{rc}, 5, 'no such file is 5');
is(check([])->{rc}, 2, 'no file named is 2');
is(check([$file, $file])->{rc}, 2, 'two files are 2');
is(check(['-', '--logic', '-'], stdin => $good)->{rc}, 2, 'both from standard input are 2');

# ---- logic ----------------------------------------------------------------------------------------------------

my $flow = "$src/demo/appointment.json";
my $logic = "$src/demo/appointment.logic.json";
$r = check([$flow, '--logic', $logic]);
is($r->{rc}, 0, "the demo's flow and logic are valid") or diag($r->{out}, $r->{err});
my $text = read_file($logic);
(my $unknown = $text) =~ s/"next":\s*"[A-Z_]+"/"next": "NOWHERE"/;
isnt($unknown, $text, 'the logic has a rule to break');
my $line = () = substr($unknown, 0, index($unknown, 'NOWHERE')) =~ /\n/g;
$line++;
write_file("$dir/logic.json", $unknown);
$r = check([$flow, '--logic', "$dir/logic.json"]);
is($r->{rc}, 1, 'a rule that names no screen is 1');
like($r->{out}, qr{^\Q$dir\E/logic\.json:$line:\d+: error INVALID_LOGIC at /logic/\S+: .*NOWHERE}m, 'and found in the logic, with its line');
$r = check([$flow, '--logic', write_file("$dir/logic.json", '{')]);
is($r->{rc}, 1, 'logic that is not JSON is 1');
like($r->{out}, qr{^\Q$dir\E/logic\.json:1:\d+: error INVALID_LOGIC at /logic: not JSON}m, 'with its line');
is(check([$flow, '--logic', "$dir/none.json"])->{rc}, 5, 'logic that is not there is 5');

# ---- corpus ---------------------------------------------------------------------------------------------------

SKIP: {
    if (!defined corpus_dir()) {
        BAIL_OUT('the corpus is not at hand, and WF_TEST_REQUIRE names it') if ($ENV{WF_TEST_REQUIRE} // '') =~ /\bcorpus\b/;
        skip 'the corpus is not at hand (WFLOWS_CORPUS)', 1;
    }
    for my $file (sort glob(corpus_dir() . '/flows/*.json')) {
        my ($name) = $file =~ m{([^/]+)$};
        my $r = check([$file]);
        is($r->{rc}, 0, "corpus: $name is valid") or diag($r->{out}, $r->{err});
    }
    for my $doc (corpus_docs('flows-invalid')) {
        my ($name, $entry) = @$doc;
        next unless ref $entry->{flow} && $entry->{corresponds_to_meta_rule};
        my $r = check(['-', '--json'], stdin => $json->encode($entry->{flow}));
        is($r->{rc}, 1, "corpus: $name is refused");
        my %said = map { $_->{error} => 1 } @{ (eval { $json->decode($r->{out}) } // {})->{validation_errors} // [] };
        my @codes = @{ $entry->{meta_error_codes} };
        ok(!@codes || (grep { $said{$_} } @codes), "corpus: $name breaks the rule it is known for")
            or diag("expected one of: @codes; said: @{[ sort keys %said ]}");
    }
    # Nobody is known to have refused these; which of them we refuse is the check's own affair.
    for my $doc (grep { $_->[0] =~ /^derived_/ } corpus_docs('flows-invalid')) {
        my $r = check(['-'], stdin => $json->encode($doc->[1]{flow}));
        is($r->{rc}, $r->{out} =~ /: error [A-Z]/ ? 1 : 0, "corpus: $doc->[0]: the exit code is that of what was said");
    }
}

done_testing();
