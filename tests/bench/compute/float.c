/* Floating point: bodies that attract each other, a Fourier transform, the Mandelbrot set.  Compiled twice, for x87 and for
 * SSE2; the sums are of values rounded far above the last bits. */
#include "bench.h"
#include <math.h>

#define BODIES 24
#define POINTS 4096

struct body {
    double x[3], v[3], mass;
};

static double energy_after(unsigned steps)
{
    static struct body bodies[BODIES];
    uint32_t random = 5;
    double energy = 0;

    for (int i = 0; i < BODIES; i++) {
        for (int k = 0; k < 3; k++) {
            bodies[i].x[k] = next_random(&random) % 10000 / 100.0;
            bodies[i].v[k] = next_random(&random) % 100 / 1000.0;
        }
        bodies[i].mass = 1 + next_random(&random) % 10;
    }
    while (steps--) {
        for (int i = 0; i < BODIES; i++)
            for (int j = 0; j < BODIES; j++) {
                double d[3], r2 = 1, f;

                for (int k = 0; k < 3; k++) {
                    d[k] = bodies[j].x[k] - bodies[i].x[k];
                    r2 += d[k] * d[k];
                }
                f = bodies[j].mass / (r2 * sqrt(r2)) * 0.001;
                for (int k = 0; k < 3; k++)
                    bodies[i].v[k] += d[k] * f;
            }
        for (int i = 0; i < BODIES; i++)
            for (int k = 0; k < 3; k++)
                bodies[i].x[k] += bodies[i].v[k] * 0.001;
    }
    for (int i = 0; i < BODIES; i++)
        for (int k = 0; k < 3; k++)
            energy += bodies[i].mass * bodies[i].v[k] * bodies[i].v[k];
    return energy;
}

static double fourier_power(void)
{
    static double re[POINTS], im[POINTS];
    double power = 0;

    for (int i = 0; i < POINTS; i++) {
        int r = 0;

        for (int bit = 1; bit < POINTS; bit <<= 1)
            r = r << 1 | !!(i & bit);
        re[r] = i * 37 % 101 / 101.0;
        im[r] = 0;
    }
    for (int half = 1; half < POINTS; half *= 2) {
        double wr = 1, wi = 0, cr = cos(M_PI / half), ci = -sin(M_PI / half);

        for (int k = 0; k < half; k++) {
            double t = wr * cr - wi * ci;

            for (int i = k; i < POINTS; i += 2 * half) {
                int j = i + half;
                double xr = re[j] * wr - im[j] * wi, xi = re[j] * wi + im[j] * wr;

                re[j] = re[i] - xr;
                im[j] = im[i] - xi;
                re[i] += xr;
                im[i] += xi;
            }
            wi = wr * ci + wi * cr;
            wr = t;
        }
    }
    for (int i = 0; i < POINTS; i++)
        power += re[i] * re[i] + im[i] * im[i];
    return power;
}

static uint32_t mandelbrot_points(int size)
{
    uint32_t inside = 0;

    for (int py = 0; py < size; py++)
        for (int px = 0; px < size; px++) {
            double cx = px * 3.0 / size - 2.1, cy = py * 2.4 / size - 1.3, x = 0, y = 0;
            int n = 0;

            while (n < 100 && x * x + y * y < 4) {
                double t = x * x - y * y + cx;

                y = 2 * x * y + cy;
                x = t;
                n++;
            }
            inside += n == 100;
        }
    return inside;
}

int main(int argc, char **argv)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < scale_of(argc, argv); i++) {
        sum = sum * 31 + (uint64_t)(energy_after(200 + i) * 1000);
        for (int k = 0; k < 10; k++)
            sum = sum * 31 + (uint64_t)(fourier_power() / 1000);
        sum = sum * 31 + mandelbrot_points(128) / 16;
    }
    return report(sum);
}
