# A member of an Ashlar grid. Build in a checkout: docker build -t ashlar .
# What lies in it, how to run it: docs/operating.md, "In a container".

FROM node:24-slim AS build
WORKDIR /source
COPY . .
RUN npm run pack

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /opt/ashlar
COPY --from=build /source/dist/packages/*.tgz /tmp/packages/
RUN npm install --omit=dev --no-audit --no-fund --ignore-scripts /tmp/packages/ashlar-api-*.tgz /tmp/packages/ashlar-[0-9]*.tgz \
  && npm cache clean --force && rm -rf /tmp/packages \
  && ln -s /opt/ashlar/node_modules/.bin/ashlar /usr/local/bin/ashlar \
  && mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 7710 7711
# A member that starts answers when the grid is whole: see "Health" in docs/operating.md.
# Beyond loopback the HTTP door speaks TLS; whether it is this member needs no proof here.
HEALTHCHECK --interval=5s --timeout=2s --start-period=30s --retries=3 \
  CMD ["node", "-e", "const told = (r) => process.exit(r.statusCode === 200 ? 0 : 1), at = { host: '127.0.0.1', port: 7711, path: '/healthz', rejectUnauthorized: false }; require('http').get(at, told).on('error', () => require('https').get(at, told).on('error', () => process.exit(1)))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["ashlar"]
CMD ["start"]
