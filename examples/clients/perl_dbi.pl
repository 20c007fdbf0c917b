use strict;
use warnings;
use DBI;

my $db = DBI->connect("dbi:Pg:", undef, undef, { RaiseError => 1, PrintError => 0, AutoCommit => 1 });
my $verify = "SELECT code, metadata ->> 'plan' FROM token_auth.verify_token(?, 'email:read', ?)";
my ($code, $plan) = $db->selectrow_array($verify, undef, $ENV{SECRET}, "acme.example");
print "$code $plan\n";

my $create = "SELECT name FROM token_auth.create_token(?, 'made', ?, all_domains => true, metadata => ?)";
my ($name) = $db->selectrow_array($create, undef, 1, ["email:read"], '{"plan": "free"}');
print "$name\n";

$db->begin_work;
($code) = $db->selectrow_array("SELECT code FROM token_auth.authenticate(?)", undef, $ENV{SECRET});
my ($count) = $db->selectrow_array("SELECT count(*) FROM message");
print "$code $count\n";
$db->commit;

eval { $db->do("SELECT token_auth.pause_token(?, account_id => ?)", undef, 1, undef) };
print $db->state, " ", $db->pg_error_field("constraint"), "\n" if $@;
