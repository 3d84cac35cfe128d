/*
 * The yardstick of the flood kernel: the local inertial step of simulation/flood/wasm/assembly/kernel.ts as one writes
 * it in C, float32, one thread: same scheme, terms, order of work, fast cube root and grid. Loops without branches, so
 * that -ffast-math may vectorise them (it drops the compensation of the depths: the near-limit, not an equal).
 *
 *   flood SIDE STEPS FULL    SIDE² wet cells of 10 m; FULL 1: with open shares, infiltration and drains.
 *   prints: updates per second of processor time, greatest depth, Σ depth
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef float *restrict cells;

static const float g = 9.80665f, theta = 0.9f, alpha = 0.6f, dry = 1e-3f, side = 10;
static int n, W;
static float dt;

static inline float larger(float a, float b) { return a > b ? a : b; }
static inline float smaller(float a, float b) { return a < b ? a : b; }

static inline float inverse_cube_root(float x) {
  union { float f; int32_t i; } u = { x };
  u.i = 0x54a2fa8c - u.i / 3;
  float y = u.f;
  y *= 1.3333334f - 0.33333334f * x * y * y * y;
  return y * (1.3333334f - 0.33333334f * x * y * y * y);
}

static inline float face(float q, float beside, float across, float before, float here, float rise, float rough) {
  float depth = larger(before - larger(rise, 0), here + smaller(rise, 0));
  float push = g * dt / side * depth * (rise + (here - before));
  float moved = theta * q + (1 - theta) / 2 * beside - push;
  moved = moved * push > 0 ? q - push : moved;
  float depth2 = depth * depth, mean = 0.25f * across;
  float flow = moved * depth2 / (depth2 + rough * rough * dt * sqrtf(q * q + mean * mean) * inverse_cube_root(depth));
  float bound = sqrtf(g * depth2 * depth);
  flow = larger(-bound, smaller(bound, flow));
  return depth > dry && fabsf(flow) > 1e-18f ? flow : 0;
}

static void faces(int from, const cells h, const cells dzx, const cells dzy, const cells rough, const cells qx, const cells qy, cells nx, cells ny) {
  for (int p = from; p < from + n; p++) {
    nx[p] = face(qx[p], qx[p - 1] + qx[p + 1], qy[p - 1] + qy[p - 1 + W] + qy[p] + qy[p + W], h[p - 1], h[p], dzx[p], rough[p - 1] + rough[p]);
    ny[p] = face(qy[p], qy[p - W] + qy[p + W], qx[p - W] + qx[p - W + 1] + qx[p] + qx[p + 1], h[p - W], h[p], dzy[p], rough[p - W] + rough[p]);
  }
}

static inline void limit(int from, int full, const cells h, const cells wx, const cells wy, const cells open, float *nx, float *ny) {
  int any = 0;
  for (int p = from; p < from + n; p++) {
    float west = nx[p], east = nx[p + 1], north = ny[p], south = ny[p + W], water = h[p];
    if (full) west *= wx[p], east *= wx[p + 1], north *= wy[p], south *= wy[p + W], water *= open[p];
    float out = larger(0, east) + larger(0, south) - smaller(0, west) - smaller(0, north);
    any |= out > water * (side / dt);
  }
  if (!any) return;
  for (int p = from; p < from + n; p++) {
    float west = nx[p], east = nx[p + 1], north = ny[p], south = ny[p + W];
    float out = larger(0, east * wx[p + 1]) + larger(0, south * wy[p + W]) - smaller(0, west * wx[p]) - smaller(0, north * wy[p]);
    float most = h[p] * open[p] * side / dt;
    if (!(out > most)) continue;
    float scale = most / out;
    if (west < 0) nx[p] = west * scale;
    if (east > 0) nx[p + 1] = east * scale;
    if (north < 0) ny[p] = north * scale;
    if (south > 0) ny[p + W] = south * scale;
  }
}

static inline float update(int from, int full, float rain, double *sinks, cells h, cells rest, const cells nx, const cells ny,
                           const cells wx, const cells wy, const cells open, const cells perOpen, const cells soaks, const cells pipes) {
  float most = 0, gone = 0, share = dt / side;
  for (int p = from; p < from + n; p++) {
    float gain;
    if (full) {
      float net = nx[p] * wx[p] - nx[p + 1] * wx[p + 1] + (ny[p] * wy[p] - ny[p + W] * wy[p + W]);
      gain = (share * net + rain) * perOpen[p] - rest[p];
      float water = larger(0, h[p] + gain) * open[p];
      float soak = smaller(water, dt * soaks[p]), pipe = smaller(water - soak, dt * pipes[p]);
      gone += soak + pipe;
      gain -= (soak + pipe) * perOpen[p];
    } else gain = share * (nx[p] - nx[p + 1] + (ny[p] - ny[p + W])) + rain - rest[p];
    float depth = larger(0, h[p] + gain);
    rest[p] = depth - h[p] - gain;
    h[p] = depth;
    most = larger(most, depth);
  }
  *sinks += gone;
  return most;
}

static inline float step(int full, float rain, double *sinks, float *h, float *rest, float *dzx, float *dzy, float *rough, float *qx, float *qy, float *nx, float *ny,
                         float *wx, float *wy, float *open, float *perOpen, float *soaks, float *pipes) {
  float most = 0;
  for (int row = 0; row < n + 2; row++) {
    int from = (row + 1) * W + 4;
    if (row < n) faces(from, h, dzx, dzy, rough, qx, qy, nx, ny);
    if (row >= 1 && row < n + 1) limit(from - W, full, h, wx, wy, open, nx, ny);
    if (row >= 2) most = larger(most, update(from - 2 * W, full, rain, sinks, h, rest, nx, ny, wx, wy, open, perOpen, soaks, pipes));
  }
  return most;
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  n = atoi(argv[1]);
  int steps = atoi(argv[2]), full = atoi(argv[3]);
  W = n + 4;
  size_t size = (size_t)W * (n + 2) + 4;
  float *a[15];
  for (int k = 0; k < 15; k++) if (!(a[k] = aligned_alloc(64, (size * 4 + 63) / 64 * 64))) return 3; else memset(a[k], 0, size * 4);
  float *h = a[0], *rest = a[1], *dzx = a[2], *dzy = a[3], *rough = a[4], *qx = a[5], *qy = a[6], *nx = a[7], *ny = a[8];
  float *wx = a[9], *wy = a[10], *open = a[11], *perOpen = a[12], *soaks = a[13], *pipes = a[14];
  for (size_t p = 0; p < size; p++) dzx[p] = dzy[p] = INFINITY, wx[p] = wy[p] = open[p] = perOpen[p] = 1;
  double bed = 0, *z = malloc(sizeof(double) * n * n);
  for (int r = 0; r < n; r++) for (int c = 0; c < n; c++) {
    size_t p = (size_t)(r + 1) * W + 4 + c;
    z[r * n + c] = bed = 0.3 * sin(c / 30.0) * cos(r / 40.0);
    h[p] = (float)(2 - bed + 0.2 * cos(c / 50.0));
    rough[p] = (float)(sqrt(9.80665) / 2 * 0.03);
    if (full) open[p] = (r + c) % 3 ? 1 : 0.5f, perOpen[p] = 1 / open[p], soaks[p] = (float)(2 / 3.6e6), pipes[p] = (float)(3 / 3.6e6);
  }
  for (int r = 0; r <= n; r++) for (int c = 0; c <= n; c++) {
    size_t p = (size_t)(r + 1) * W + 4 + c;
    int in = r < n && c < n;
    if (in && c > 0) dzx[p] = (float)(z[r * n + c] - z[r * n + c - 1]); else if (!in) dzx[p] = INFINITY; else dzx[p] = -INFINITY;
    if (in && r > 0) dzy[p] = (float)(z[r * n + c] - z[(r - 1) * n + c]); else if (!in) dzy[p] = INFINITY; else dzy[p] = -INFINITY;
    wx[p] = smaller(open[p], open[p - 1]);
    wy[p] = smaller(open[p], open[p - W]);
  }
  float most = 0;
  for (size_t p = 0; p < size; p++) most = larger(most, h[p]);
  double sinks = 0;
  clock_t start = clock();
  for (int k = 0; k < steps; k++) {
    dt = smaller(10, alpha * side / sqrtf(g * most));
    float rain = 50 * dt / 3.6e6f;
    most = full ? step(1, rain, &sinks, h, rest, dzx, dzy, rough, qx, qy, nx, ny, wx, wy, open, perOpen, soaks, pipes)
                : step(0, rain, &sinks, h, rest, dzx, dzy, rough, qx, qy, nx, ny, wx, wy, open, perOpen, soaks, pipes);
    float *x = qx, *y = qy;
    qx = nx, qy = ny, nx = x, ny = y;
  }
  double took = (double)(clock() - start) / CLOCKS_PER_SEC, sum = 0;
  for (size_t p = 0; p < size; p++) sum += h[p];
  printf("%.6g %.7g %.10g\n", (double)n * n * steps / took, most, sum);
  return 0;
}
