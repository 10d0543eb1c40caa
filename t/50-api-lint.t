#!/usr/bin/perl
# openapi.json passes a public linter (Spectral, all its rules for OpenAPI) without a word.

use strict;
use warnings;
use lib 't/lib';

use Cpanel::JSON::XS ();
use Cwd qw(abs_path);
use File::Temp ();
use Test::More;
use Wflows::Process qw(read_file run write_file);
use Wflows::Test qw(need);

need('npm');
my $src = abs_path($ENV{WF_SRCDIR} // '.');
my $file = "$ENV{WF_BUILDDIR}/mod_wflows_admin/openapi.json";
my $json = Cpanel::JSON::XS->new->utf8;
my $dir = File::Temp->newdir('wflows-lint-XXXXXX', TMPDIR => 1);

sub lint {
    my ($what) = @_;
    my $r = run(command => ["$src/t/npm/node_modules/.bin/spectral", 'lint', '--ruleset', "$src/t/npm/spectral.yaml",
        '--format', 'json', '--quiet', '--fail-severity', 'hint', $what], cwd => "$dir", timeout => 120);
    # The documents of findings, after whatever else it says.
    my ($found) = $r->{out} =~ /^(\[.*\])/ms;
    return ($r->{rc}, map { "$_->{code} at /" . join('/', @{ $_->{path} }) } @{ $json->decode($found // '[]') });
}

my ($rc, @found) = lint($file);
is_deeply(\@found, [], 'it finds nothing');
is($rc, 0, 'and says so');

my $doc = $json->decode(read_file($file));
delete $doc->{paths}{'/companies/{companyId}'}{get}{operationId};
$doc->{components}{schemas}{Company}{properties}{id}{'$ref'} = '#/components/schemas/Nowhere';
write_file("$dir/bad.json", $json->encode($doc));
($rc, @found) = lint("$dir/bad.json");
isnt($rc, 0, 'it does look: a broken document fails');
ok(scalar(grep { /invalid-ref|operation-operationId/ } @found), 'for what is broken in it') or diag("@found");

done_testing();
