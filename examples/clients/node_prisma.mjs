import { PrismaPg } from "@prisma/adapter-pg";
import prismaClient from "@prisma/client";

const prisma = new prismaClient.PrismaClient({ adapter: new PrismaPg({}) });
const secret = process.env.SECRET;
const [token] = await prisma.$queryRaw`
    SELECT code, metadata FROM token_auth.verify_token(${secret}, 'email:read', ${"acme.example"})`;
console.log(token.code, token.metadata.plan);

const [made] = await prisma.$queryRaw`
    SELECT name FROM token_auth.create_token(${1}, 'made', ${["email:read"]}, all_domains => true,
                                             metadata => ${{ plan: "free" }})`;
console.log(made.name);

await prisma.$transaction(async (tx) => {
    const [{ code }] = await tx.$queryRaw`SELECT code FROM token_auth.authenticate(${secret})`;
    const [{ count }] = await tx.$queryRaw`SELECT count(*) FROM message`;
    console.log(code, Number(count));
});

try {
    await prisma.$queryRaw`SELECT token_auth.pause_token(${1}, account_id => ${null})`;
} catch (error) {
    console.log(error.meta.driverAdapterError.cause.code); // Prisma has no constraint name
}
await prisma.$disconnect();
